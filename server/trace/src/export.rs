//! Sends spans to an OpenTelemetry collector: OTLP over HTTP, set up by the variables that the OpenTelemetry specification names.
//!
//! A thread of its own gathers spans and sends them; what is served never waits for the collector. Spans that find the queue full
//! are dropped, and the log says how many.

use std::env;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::ENDPOINTS;

/// The only protocol that is spoken.
const PROTOCOL: &str = "http/protobuf";

/// How long an end waits until the collector has the last spans.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A variable asks for what is not there.
    #[error("{variable} is {value:?}; this program sends spans as http/protobuf, to port 4318 of most collectors")]
    Protocol {
        /// The variable's name.
        variable: &'static str,
        /// What it says.
        value: String,
    },
    /// The exporter cannot be made of what the variables say.
    #[error("spans cannot be exported: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// A running export. To be ended by [`finish`](Export::finish), or the last spans are lost.
pub struct Export {
    provider: SdkTracerProvider,
}

impl Export {
    /// Starts an export if the environment asks for one: if `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set, unless
    /// `OTEL_SDK_DISABLED` is `true` or `OTEL_TRACES_EXPORTER` is `none`. `service` is the name where `OTEL_SERVICE_NAME` gives none.
    ///
    /// Must be called outside an asynchronous runtime. Errors: [`ExportError`], when a variable asks for what cannot be done.
    pub fn from_environment(service: &'static str) -> Result<Option<Export>, ExportError> {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let disabled = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        if disabled || !ENDPOINTS.iter().any(|name| set(name).is_some()) {
            return Ok(None);
        }
        for variable in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            if let Some(value) = set(variable) {
                if value != PROTOCOL {
                    return Err(ExportError::Protocol { variable, value });
                }
                break;
            }
        }
        // The client takes the process's provider; a second call finds the same one there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exporter = SpanExporter::builder().with_http().build()?;
        let named = set("OTEL_SERVICE_NAME").is_some()
            || set("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|list| list.contains("service.name="));
        let resource = Resource::builder();
        let resource = if named { resource } else { resource.with_service_name(service) };
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = resource.with_attribute(version).build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        Ok(Some(Export { provider }))
    }

    /// What takes the spans of Vitrail's crates, and of no library.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("vitrail"))
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target("vitrail", Level::DEBUG))
    }

    /// Sends what is still there, for five seconds at most, and ends.
    pub fn finish(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}
