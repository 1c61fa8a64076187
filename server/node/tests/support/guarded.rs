//! A process with the listening and the users that a test writes, over one database, and the certificates for it.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use vitrail_harness::Server;
use vitrail_node::config::{self, Config};
use vitrail_node::process::{Component, Process};

/// A folder with a configuration, and the process that reads it.
pub struct Guarded {
    pub folder: tempfile::TempDir,
    pub process: Process,
    pub server: Arc<Server>,
    database: String,
    socket: String,
}

impl Guarded {
    /// Starts it. `listen` stands under `[listen]`, `users` are whole tables. Paths are relative to the folder.
    pub async fn start(folder: tempfile::TempDir, listen: &str, users: &str) -> Guarded {
        let flavour = vitrail_harness::flavours()[0];
        let server = vitrail_harness::server(flavour).await;
        let database = server.database("guarded").await;
        let mut root = server.connect(&database).await;
        root.execute("CREATE TABLE note (id INT PRIMARY KEY, text VARCHAR(40))").await.unwrap();
        root.quit().await;
        let socket = server.socket().display().to_string();
        write(&folder, &database, &socket, listen, users);
        let config = config::load(&folder.path().join("vitrail.toml")).unwrap();
        let process = Process::start(config, Component::Both).await.unwrap();
        Guarded { folder, process, server, database, socket }
    }

    /// Writes the configuration anew, and reads it.
    pub fn configure(&self, listen: &str, users: &str) -> Config {
        write(&self.folder, &self.database, &self.socket, listen, users);
        config::load(&self.path("vitrail.toml")).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn port(&self) -> u16 {
        self.process.address().unwrap().port()
    }
}

fn write(folder: &tempfile::TempDir, database: &str, socket: &str, listen: &str, users: &str) {
    let text = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\ndrain = \"5s\"\n{listen}\n{users}\n\n[keyspaces.plain]\n\n\
         [[keyspaces.plain.shards]]\nname = \"0\"\ndatabase = \"{database}\"\nmysql = {{ socket = \"{socket}\", user = \"root\" }}\n"
    );
    std::fs::write(folder.path().join("vitrail.toml"), text).unwrap();
}

/// An authority that signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// Certificate and key as PEM, for these DNS names.
    pub fn sign(&self, names: &[&str]) -> (String, String) {
        self.sign_until(names, 4096)
    }

    /// The same, valid until the end of a year.
    pub fn sign_until(&self, names: &[&str], year: i32) -> (String, String) {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = rcgen::date_time_ymd(1975, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}
