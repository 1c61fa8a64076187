//! Between `traceparent` and the spans of this process.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";

/// The one field that requests carry.
#[derive(Default)]
struct Field(Option<String>);

impl Extractor for Field {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.as_deref().filter(|_| key == TRACEPARENT)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

impl Injector for Field {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACEPARENT {
            self.0 = Some(value);
        }
    }
}

pub(crate) fn adopt(span: &Span, traceparent: &str) {
    if span.is_disabled() {
        return;
    }
    let field = Field(Some(traceparent.to_owned()));
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &field);
    if parent.span().span_context().is_valid() {
        // It fails only where spans are not exported, and there is nothing to be part of.
        let _ = span.set_parent(parent);
    }
}

pub(crate) fn current() -> Option<String> {
    let span = Span::current();
    if span.is_disabled() {
        return None;
    }
    let mut field = Field::default();
    TraceContextPropagator::new().inject_context(&span.context(), &mut field);
    field.0
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
    use tracing::Level;
    use tracing_subscriber::layer::SubscriberExt;

    use crate::{adopt, onward};

    const CAME: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    /// What `onward` says inside a span that has adopted `came`.
    fn within(came: Option<&str>) -> String {
        let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
        let provider = SdkTracerProvider::builder().with_sampler(sampler).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test")).with_context_activation(false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::span!(Level::DEBUG, "outer");
            adopt(&span, came);
            span.in_scope(|| tracing::span!(Level::DEBUG, "inner").in_scope(|| onward(came)))
        })
        .expect("there is a trace")
    }

    #[test]
    fn a_request_that_is_sent_on_names_the_current_span_of_the_same_trace() {
        let said = within(Some(CAME));
        let (came, said): (Vec<&str>, Vec<&str>) = (CAME.split('-').collect(), said.split('-').collect());
        assert_eq!((said[0], said[1], said[3]), (came[0], came[1], came[3]));
        assert_ne!(said[2], came[2]);
    }

    #[test]
    fn what_the_client_does_not_sample_is_not_sampled_further_on() {
        let said = within(Some(UNSAMPLED));
        assert!(said.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && said.ends_with("-00"), "{said}");
    }

    #[test]
    fn without_a_trace_one_begins_here() {
        for came in [None, Some(""), Some("00-00000000000000000000000000000000-b7ad6b7169203331-01"), Some("é-…")] {
            let said = within(came);
            assert!(said.starts_with("00-") && said.ends_with("-01") && said.len() == CAME.len(), "{came:?}: {said}");
            assert!(!said.contains("b7ad6b7169203331"), "{came:?}: {said}");
        }
    }

    #[test]
    fn where_nothing_is_exported_it_goes_on_as_it_came() {
        assert_eq!(onward(Some(CAME)).as_deref(), Some(CAME));
        assert_eq!(onward(None), None);
        let plain = tracing_subscriber::fmt().with_max_level(Level::DEBUG).with_writer(std::io::sink).finish();
        tracing::subscriber::with_default(plain, || {
            let span = tracing::span!(Level::DEBUG, "outer");
            adopt(&span, Some(CAME));
            assert_eq!(span.in_scope(|| onward(Some(CAME))).as_deref(), Some(CAME));
        });
    }
}
