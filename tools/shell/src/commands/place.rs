//! `\target`, `\u`, `\c`, `\conninfo`, `\s`: where statements go.

use std::io::Write;
use std::str::FromStr;

use vitrail_client::Target;

use super::arguments::words;
use crate::connect;
use crate::input::Statement;
use crate::run::{self, Flow};
use crate::shell::Shell;
use crate::terminal::{painted, say};

/// `\target [keyspace:shard@type]`
pub(super) async fn target(shell: &mut Shell, name: &str) -> Result<Flow, String> {
    if name.is_empty() {
        let target = shell.session.target().unwrap_or_default();
        let text = target.to_string();
        say(if text.is_empty() { "no keyspace; \\l lists them" } else { &text });
        return Ok(Flow::Done);
    }
    // `-80` and `@replica` change one part of where the session is.
    let now = shell.session.target().unwrap_or_default();
    let target = changed(&now, name.trim_end_matches(';')).map_err(|error| error.to_string())?;
    go(shell, &target).await
}

fn changed(now: &Target, name: &str) -> Result<Target, <Target as FromStr>::Err> {
    let keyspace = now.keyspace.as_deref().unwrap_or_default();
    if let Some(shard) = name.strip_prefix(':') {
        return format!("{keyspace}:{shard}").parse();
    }
    if name.starts_with('@') {
        let shard = now.shard.as_ref().map(|shard| format!(":{shard}")).unwrap_or_default();
        return format!("{keyspace}{shard}{name}").parse();
    }
    name.parse()
}

/// `\u keyspace`
pub(super) async fn keyspace(shell: &mut Shell, name: &str) -> Result<Flow, String> {
    let name = words(name.trim_end_matches(';')).into_iter().next().ok_or("\\u takes a keyspace; \\l lists them")?;
    let target: Target = name.trim_matches('`').parse().map_err(|error: <Target as FromStr>::Err| error.to_string())?;
    go(shell, &target).await
}

/// USE checks that there is such a place.
async fn go(shell: &mut Shell, target: &Target) -> Result<Flow, String> {
    let text = format!("USE `{target}`");
    let timing = std::mem::replace(&mut shell.settings.timing, crate::settings::Timing::Off);
    let flow = run::unasked(shell, &Statement { text, vertical: false, line: 1 }).await;
    shell.settings.timing = timing;
    Ok(flow)
}

/// `\c url`
pub(super) async fn connect(shell: &mut Shell, url: &str) -> Result<(), String> {
    let url = words(url).into_iter().next().ok_or("\\c takes a URL: vitrail://user@host:15300/keyspace")?;
    let client = connect::client(&url, None, shell.interactive).await.map_err(|error| error.to_string())?;
    if shell.session.is_in_transaction() {
        say("the open transaction was rolled back");
    }
    shell.connect(client).await;
    shell.reading.is_none().then(|| say(&connect::greeting(shell)));
    Ok(())
}

/// `\conninfo` and `\s`
pub(super) async fn info(shell: &mut Shell, status: bool) -> Result<(), String> {
    let server = shell.client.server().await.map_err(|error| error.to_string())?;
    let config = shell.client.config();
    let target = shell.session.target().unwrap_or_default().to_string();
    let hosts: Vec<String> = config.endpoints.iter().map(ToString::to_string).collect();
    let none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let mut lines = vec![
        ("user", none(config.user.clone())),
        ("target", none(target)),
        ("gate", hosts.join(", ")),
        ("encryption", if shell.encrypted { "TLS" } else { "none" }.to_owned()),
        ("server", format!("Vitrail, protocol {}, over {} {}", server.version, server.flavour, server.mysql_version)),
        ("connection", server.connection_id.to_string()),
    ];
    if !server.gates.is_empty() {
        lines.push(("other gates", server.gates.join(", ")));
    }
    if status {
        let state = shell.session.state();
        lines.push(("shell", format!("vitrail sql {}", env!("CARGO_PKG_VERSION"))));
        lines.push(("transaction", if shell.session.is_in_transaction() { "open" } else { "none" }.to_owned()));
        lines.push(("pinned", if shell.session.is_pinned() { "to one MySQL connection" } else { "no" }.to_owned()));
        lines.push(("autocommit", if state.autocommit == Some(false) { "off" } else { "on" }.to_owned()));
        for (name, value) in &state.variables {
            lines.push(("set", format!("{name} = {value}")));
        }
    }
    let colour = shell.terminal.output && shell.terminal.colour;
    let mut text = String::new();
    for (name, value) in lines {
        text += &format!("{}  {value}\n", painted(&format!("{name:>12}"), crate::terminal::dim(), colour));
    }
    // Nobody need read it.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_target_can_change_alone() {
        let now: Target = "flights:-80@replica".parse().unwrap();
        for (name, expected) in [
            (":80-", "flights:80-"),
            ("@rdonly", "flights:-80@rdonly"),
            ("agency", "agency"),
            ("a:0@replica", "a:0@replica"),
        ] {
            assert_eq!(changed(&now, name).unwrap().to_string(), expected);
        }
        assert!(changed(&now, "a b").is_err());
    }
}
