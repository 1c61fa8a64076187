//! Traces that cross processes.
//!
//! Spans are those of `tracing`. A request may say in its `traceparent` which trace it belongs to (W3C Trace Context, level 1):
//! [`adopt`] makes a span part of that trace, [`onward`] says what the next server is to be told. Without the feature `otlp`, or
//! while nothing is exported, a `traceparent` is handed on as it came, and both cost nothing. [`failed`] marks a span.
//!
//! Feature `otlp`: `export` sends the spans to an OpenTelemetry collector.

#[cfg(feature = "otlp")]
pub mod export;
#[cfg(feature = "otlp")]
mod propagation;

use tracing::Span;

/// The variables that say where spans go: each of them asks for an export.
pub const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Makes `span` a child of the span that `traceparent` names, in another process. To be called before the span is entered.
/// A text that is no `traceparent` is passed over, as the standard wants it: the span begins a trace of its own.
pub fn adopt(span: &Span, traceparent: Option<&str>) {
    #[cfg(feature = "otlp")]
    if let Some(traceparent) = traceparent {
        propagation::adopt(span, traceparent);
    }
    #[cfg(not(feature = "otlp"))]
    let _ = (span, traceparent);
}

/// The `traceparent` of a request that leaves within the current span: it names that span where spans are exported, and is
/// the one that `came` otherwise.
pub fn onward(came: Option<&str>) -> Option<String> {
    #[cfg(feature = "otlp")]
    if let Some(current) = propagation::current() {
        return Some(current);
    }
    came.map(str::to_owned)
}

/// Notes that what `span` tells of has failed, and with which code. The span has to name the fields `otel.status_code` and `error.type`.
pub fn failed(span: &Span, code: &str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", code);
}
