//! The arguments of `modal`.

use clap::{Args, Subcommand};

use super::{
    args::{Format, FormatArgs},
    help,
};

/// `modal`.
#[derive(Debug, Subcommand)]
pub(crate) enum ModalCommand {
    /// Deploy the configured models to a GPU at Modal, and use them from then on
    #[command(after_help = help::MODAL_DEPLOY)]
    Deploy(DeployArgs),
    /// Show what is deployed and what it costs; wakes nothing
    #[command(after_help = help::MODAL_STATUS)]
    Status(ModalStatusArgs),
    /// Use every model once, and check what it answers
    #[command(after_help = help::MODAL_TEST)]
    Test(FormatArgs),
    /// Stop the deployment, and keep inference on this machine
    #[command(after_help = help::MODAL_DESTROY)]
    Destroy(DestroyArgs),
    /// Print the log of the deployment
    #[command(after_help = help::MODAL_LOGS)]
    Logs(ModalLogsArgs),
    /// Show, measure or choose where requests enter Modal's network
    #[command(after_help = help::MODAL_REGION)]
    Region(RegionArgs),
}

impl ModalCommand {
    /// The format that output and errors are wanted in.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Deploy(args) => args.format.format(),
            Self::Status(args) => args.format.format(),
            Self::Test(format) => format.format(),
            Self::Destroy(args) => args.format.format(),
            Self::Logs(args) => args.format.format(),
            Self::Region(args) => match &args.verb {
                None => args.format.format(),
                Some(RegionVerb::Detect(format) | RegionVerb::Clear(format)) => format.format(),
                Some(RegionVerb::Set(args)) => args.format.format(),
            },
        }
    }
}

/// `modal deploy`.
#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// Let requests enter at REGION [default: the nearest, see `modal region`]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Run containers in REGION alone, at 1.5 or 1.75 times the price [default: anywhere]
    #[arg(long, value_name = "REGION")]
    pub(crate) compute_region: Option<String>,
    /// Use a GPU of this kind [default: index.yml's, else T4]
    #[arg(long, value_name = "GPU")]
    pub(crate) gpu: Option<String>,
    /// Make a new proxy token, even where one is known
    #[arg(long)]
    pub(crate) new_token: bool,
    /// Give up when Modal takes longer than this
    #[arg(long, value_name = "SECONDS", default_value_t = 1800,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// `modal status`.
#[derive(Debug, Args)]
pub(crate) struct ModalStatusArgs {
    /// Ask the deployment itself too; wakes it, which costs
    #[arg(long)]
    pub(crate) ping: bool,
    /// Give up on Modal after this
    #[arg(long, value_name = "SECONDS", default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// `modal destroy`.
#[derive(Debug, Args)]
pub(crate) struct DestroyArgs {
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Give up when Modal takes longer than this
    #[arg(long, value_name = "SECONDS", default_value_t = 90,
        value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// `modal logs`.
#[derive(Debug, Args)]
pub(crate) struct ModalLogsArgs {
    /// Only the last N entries
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tail: Option<u32>,
    /// Only what is younger than this, such as 30m or 2h
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Go on printing what is added
    #[arg(short, long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// `modal region`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RegionArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<RegionVerb>,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// What to do about the region.
#[derive(Debug, Subcommand)]
pub(crate) enum RegionVerb {
    /// Measure anew
    #[command(after_help = help::MODAL_REGION_DETECT)]
    Detect(FormatArgs),
    /// Write a region into index.yml
    #[command(after_help = help::MODAL_REGION_SET)]
    Set(RegionSetArgs),
    /// Take the region out of index.yml, and forget what was measured
    #[command(after_help = help::MODAL_REGION_CLEAR)]
    Clear(FormatArgs),
}

/// `modal region set`.
#[derive(Debug, Args)]
pub(crate) struct RegionSetArgs {
    /// us-east, us-west, eu-west or ap-south
    #[arg(value_name = "REGION")]
    pub(crate) region: String,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}
