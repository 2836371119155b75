//! `trust`.

use qmd_proto::v1::{
    DescribeTrustReply, DescribeTrustRequest, ListTrustedRequest, RevokeTrustRequest, TrustRequest,
    TrustState,
};

use crate::{
    cli::{Format, TrustArgs, TrustVerb},
    client::{Client, Home},
    error::Result,
    render::{self, Screen},
};

pub(super) async fn run(home: &Home, screen: Screen, args: &TrustArgs) -> Result<()> {
    let client = home.connect().await?;
    match &args.verb {
        None => trust(home, &client, screen).await,
        Some(TrustVerb::Show(_)) => {
            let found = describe(home, &client).await?;
            match screen.format() {
                Format::Cli => Screen::print(&render::trust(&found)),
                Format::Json => Screen::print(&render::trust_json(&found)?),
            }
        }
        Some(TrustVerb::List(_)) => {
            let request = ListTrustedRequest {};
            let reply = client.projects().list_trusted(request).await?.into_inner();
            match screen.format() {
                Format::Cli if reply.configs.is_empty() => {
                    screen.note("no project is trusted");
                    Ok(())
                }
                Format::Cli => Screen::print(&render::trusted(&reply.configs)),
                Format::Json => Screen::print(&render::trusted_json(&reply.configs)?),
            }
        }
        Some(TrustVerb::Revoke) => {
            let request = RevokeTrustRequest {
                index: home.index(),
            };
            let reply = client.projects().revoke_trust(request).await?.into_inner();
            screen.done(if reply.revoked {
                "trusted no more"
            } else {
                "it was not trusted"
            })
        }
    }
}

/// Trusts what is shown, and nothing that came after it was.
async fn trust(home: &Home, client: &Client, screen: Screen) -> Result<()> {
    let found = describe(home, client).await?;
    if found.state() != TrustState::Untrusted {
        return screen.done(&render::trust_state(&found));
    }
    Screen::print(&render::trust_parts(&found))?;
    let request = TrustRequest {
        index: home.index(),
        digest: found.digest,
    };
    let _ = client.projects().trust(request).await?;
    screen.done("trusted from now on; a change of these asks again")?;
    screen.note("next: `qmdctl update`");
    Ok(())
}

async fn describe(home: &Home, client: &Client) -> Result<DescribeTrustReply> {
    let request = DescribeTrustRequest {
        index: home.index(),
    };
    Ok(client
        .projects()
        .describe_trust(request)
        .await?
        .into_inner())
}
