//! `models use`.

use clap::ValueEnum;
use qmd_proto::{
    Reason,
    v1::{
        ModelRole, ModelStatus, RoleModel, StatusRequest, UseModelRequest,
        use_model_request::Choice,
    },
};

use super::{role, show, spelt_out};
use crate::{
    cli::{RoleName, UseArgs},
    client::{Client, Home},
    error::{Failure, Result},
    render::{self, Screen},
};

pub(in crate::commands) async fn run(home: &Home, screen: Screen, args: &UseArgs) -> Result<()> {
    let request = UseModelRequest {
        index: home.named_index(),
        choice: Some(choice(args)?),
    };
    let client = home.connect().await?;
    let before = models(home, &client).await?;
    let reply = client.control().use_model(request).await?.into_inner();
    let after = models(home, &client).await?;
    screen.note(&format!("in {}:", render::clean(&reply.config_file)));
    show(screen, &after)?;
    if embedder(&before) != embedder(&after) {
        screen.note("vectors of another model are not searched: run `qmdctl embed`");
    }
    Ok(())
}

/// What the words of the command line mean.
fn choice(args: &UseArgs) -> Result<Choice> {
    let usage = |message: String, hint: &str| {
        Failure::new(Reason::InvalidArgument, message).hint(hint.to_owned())
    };
    match RoleName::from_str(&args.what, false) {
        Ok(name) => {
            let model = match &args.model {
                Some(model) => spelt_out(model)?,
                None if args.default => String::new(),
                None => {
                    let message = format!("which model is {} to have?", args.what);
                    return Err(usage(message, "name it, or give `--default`").into());
                }
            };
            Ok(Choice::RoleModel(RoleModel {
                role: role(name).into(),
                model,
            }))
        }
        Err(_) if args.model.is_some() || args.default => {
            let message = format!("no role {:?}", args.what);
            Err(usage(message, "roles are: embed, rerank, generate").into())
        }
        Err(_) => Ok(Choice::Profile(args.what.clone())),
    }
}

/// Each role's model and state.
async fn models(home: &Home, client: &Client) -> Result<Vec<ModelStatus>> {
    let request = StatusRequest {
        index: home.named_index(),
    };
    Ok(client.control().status(request).await?.into_inner().models)
}

fn embedder(models: &[ModelStatus]) -> Option<&str> {
    let model = models.iter().find(|model| model.role() == ModelRole::Embed);
    model.map(|model| model.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, ModelsCommand};
    use clap::Parser;

    fn parse(words: &[&str]) -> Result<Choice> {
        let line = ["qmdctl", "models", "use"].iter().chain(words);
        match Cli::parse_from(line).command {
            Command::Models(ModelsCommand::Use(args)) => choice(&args),
            other => panic!("not a choice: {other:?}"),
        }
    }

    #[test]
    fn words_are_a_profile_or_a_role_with_its_model() {
        assert_eq!(
            parse(&["standard"]).unwrap(),
            Choice::Profile("standard".into())
        );
        for (words, model) in [
            (["rerank", "hf:o/r/a.gguf"], "hf:o/r/a.gguf"),
            (["rerank", "--default"], ""),
        ] {
            let wanted = RoleModel {
                role: ModelRole::Rerank.into(),
                model: model.into(),
            };
            assert_eq!(parse(&words).unwrap(), Choice::RoleModel(wanted));
        }
        for words in [
            ["embed"].as_slice(),
            &["standard", "a.gguf"],
            &["standard", "--default"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
