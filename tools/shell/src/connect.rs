//! Connects: what the URL says, and the password from where it may be given.

use std::io::IsTerminal;
use std::path::Path;

use vitrail_client::{Client, ClientConfig, Code, Error};

use crate::shell::Shell;
use crate::summary::counted;

/// A client for a URL. A password that the server asks for and that nothing gives is asked for at the terminal.
pub async fn client(url: &str, password_file: Option<&Path>, may_ask: bool) -> Result<Client, String> {
    let mut config = ClientConfig::from_url(url).map_err(|error| error.message().to_owned())?;
    if config.application.is_empty() {
        config.application = "vitrail sql".into();
    }
    if let Some(path) = password_file {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        config.password = Some(text.trim_end_matches(['\r', '\n']).to_owned());
    } else if config.password.is_none() {
        config.password = std::env::var("VITRAIL_PASSWORD").ok().filter(|password| !password.is_empty());
    }
    let missing = config.password.is_none();
    let user = config.user.clone();
    match Client::connect_with(config.clone()).await {
        Err(error) if missing && may_ask && refused(&error) && std::io::stdin().is_terminal() => {
            let prompt = format!("Password of {user}: ");
            let asked = tokio::task::spawn_blocking(move || rpassword::prompt_password(prompt)).await;
            let Ok(Ok(password)) = asked else { return Err(error.to_string()) };
            config.password = Some(password);
            Client::connect_with(config).await.map_err(|error| told(&error))
        }
        result => result.map_err(|error| told(&error)),
    }
}

/// Whether the server has refused the user. A TLS that fails has the same code, and no password helps there.
fn refused(error: &Error) -> bool {
    *error.code() == Code::Unauthenticated && error.as_server_error().is_some()
}

fn told(error: &Error) -> String {
    if refused(error) {
        format!(
            "{error}\nthe password comes from the URL, --password-file, VITRAIL_PASSWORD, or is asked for at a terminal"
        )
    } else {
        error.to_string()
    }
}

/// The line that greets a person.
pub fn greeting(shell: &Shell) -> String {
    let config = shell.client.config();
    let hosts: Vec<String> = config.endpoints.iter().map(ToString::to_string).collect();
    let shards = shell.catalogue.shards_of(config.target.as_ref().and_then(|target| target.keyspace.as_deref()));
    let shards = if shards > 0 { format!(", {}", counted(shards as u64, "shard")) } else { String::new() };
    let tls = if shell.encrypted { " over TLS" } else { "" };
    format!("vitrail {} at {}{tls}{shards}. \\? lists the commands.", env!("CARGO_PKG_VERSION"), hosts.join(", "))
}
