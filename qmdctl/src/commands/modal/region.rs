//! `modal region`.

use qmd_proto::v1::DetectRegionRequest;

use crate::{
    cli::{Format, RegionArgs, RegionVerb},
    client::Home,
    error::Result,
    render::{self, Notice, Screen},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen, args: &RegionArgs) -> Result<()> {
    let mut request = DetectRegionRequest {
        index: home.named_index(),
        ..DetectRegionRequest::default()
    };
    match &args.verb {
        None => {}
        Some(RegionVerb::Detect(_)) => request.probe = true,
        Some(RegionVerb::Set(args)) => request.set.clone_from(&args.region),
        Some(RegionVerb::Clear(_)) => request.clear = true,
    }
    let client = home.connect().await?;
    let found = client.control().detect_region(request).await?.into_inner();
    match screen.format() {
        Format::Cli => {
            Screen::print(&render::region(&found))?;
            for warning in &found.warnings {
                Screen::warn(&Notice {
                    message: warning.clone(),
                    reason: String::new(),
                    hint: None,
                });
            }
            if !found.config_file.is_empty() {
                screen.note(&format!("in {}", render::clean(&found.config_file)));
            }
            Ok(())
        }
        Format::Json => Screen::print(&render::region_json(&found)?),
    }
}
