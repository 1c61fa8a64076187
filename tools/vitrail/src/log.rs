//! Logs, and the export of spans.

use std::io::IsTerminal;

use anyhow::Result;
use clap::Args;
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, registry};

/// How to log. Logs go to standard error.
#[derive(Debug, Args)]
pub struct Log {
    /// What to log, as `info` or `vitrail_gate=debug,warn`
    #[arg(long = "log", global = true, value_name = "FILTER", env = "VITRAIL_LOG", default_value = "warn")]
    filter: String,
    /// Log JSON, one object a line
    #[arg(long, global = true)]
    log_json: bool,
}

/// What goes on until the process ends.
#[must_use = "without `finish` the last spans are lost"]
pub struct Logging {
    #[cfg(feature = "otlp")]
    export: Option<vitrail_trace::export::Export>,
}

impl Log {
    /// Starts logging, and the export of a server's spans if the environment asks for it. `server` names what serves; `None` is
    /// a command that does not.
    pub fn init(&self, server: Option<&'static str>) -> Result<Logging> {
        #[cfg(feature = "otlp")]
        {
            // What is wrong with its variables is a line of the log, too.
            let start = || server.map(vitrail_trace::export::Export::from_environment).transpose();
            let export = tracing::subscriber::with_default(registry().with(self.lines()), start)?.flatten();
            registry().with(self.lines()).with(export.as_ref().map(|export| export.layer())).init();
            Ok(Logging { export })
        }
        #[cfg(not(feature = "otlp"))]
        {
            registry().with(self.lines()).init();
            let asked = vitrail_trace::ENDPOINTS.iter().find(|name| std::env::var_os(name).is_some());
            if let (Some(_), Some(name)) = (server, asked) {
                tracing::warn!(
                    "{name} is set, but this program was built without the feature `otlp`: no spans are exported"
                );
            }
            Ok(Logging {})
        }
    }

    fn lines<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let lines =
            tracing_subscriber::fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
        let lines = if self.log_json { lines.json().boxed() } else { lines.compact().boxed() };
        lines.with_filter(EnvFilter::new(&self.filter))
    }
}

impl Logging {
    /// Sends the last spans. To be called outside the runtime.
    pub fn finish(self) {
        #[cfg(feature = "otlp")]
        if let Some(export) = self.export {
            export.finish();
        }
    }
}
