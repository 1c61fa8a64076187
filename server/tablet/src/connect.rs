//! From the configuration to how MySQL is connected to.

use vitrail_mysql::{Address, ConnectOptions, Tls};

use crate::config::{MysqlConfig, TabletConfig, TlsMode};
use crate::error::StartError;

impl MysqlConfig {
    /// How the server is reached, in no database.
    ///
    /// # Errors
    ///
    /// What is wrong with it: a file that cannot be read, or TLS that cannot be set up.
    pub fn connect_options(&self) -> Result<ConnectOptions, StartError> {
        of_server(self)
    }
}

/// How MySQL is reached. Errors: what is wrong with the configuration, by its key.
pub(crate) fn options(config: &TabletConfig) -> Result<ConnectOptions, StartError> {
    for (key, value) in [("keyspace", &config.keyspace), ("shard", &config.shard), ("database", &config.database)] {
        if value.is_empty() {
            return Err(StartError::Missing { key });
        }
    }
    for (key, size) in [("pool.size", config.pool.size), ("transactions.size", config.transactions.size)] {
        if size == 0 {
            return Err(StartError::Wrong { key, problem: "must be at least 1" });
        }
    }
    Ok(of_server(&config.mysql)?.with_database(config.database.as_str()))
}

/// How a server is reached, whatever database is wanted there.
fn of_server(mysql: &MysqlConfig) -> Result<ConnectOptions, StartError> {
    let read = |key, path: &std::path::PathBuf| {
        std::fs::read(path).map_err(|source| StartError::File { key, path: path.clone(), source })
    };
    let password = match &mysql.password_file {
        None => mysql.password.clone(),
        Some(path) => {
            let text = String::from_utf8(read("mysql.password_file", path)?)
                .map_err(|_| StartError::Wrong { key: "mysql.password_file", problem: "is not UTF-8" })?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    let address = match &mysql.socket {
        Some(socket) => Address::unix(socket),
        None => Address::tcp(&mysql.host, mysql.port),
    };
    let authorities = mysql.tls_ca.as_ref().map(|path| read("mysql.tls_ca", path)).transpose()?;
    let mode = match mysql.tls {
        TlsMode::Disable => vitrail_mysql::TlsMode::Disable,
        TlsMode::Prefer => vitrail_mysql::TlsMode::Prefer,
        TlsMode::Require => vitrail_mysql::TlsMode::Require,
        TlsMode::VerifyCa => vitrail_mysql::TlsMode::VerifyCa,
        TlsMode::VerifyFull => vitrail_mysql::TlsMode::VerifyFull,
    };
    let tls = Tls::new(mode, authorities.as_deref(), None).map_err(StartError::Tls)?;
    Ok(ConnectOptions::new(address, mysql.user.as_str())
        .with_password(password)
        .with_tls(tls)
        .with_connect_timeout(mysql.connect_timeout))
}
