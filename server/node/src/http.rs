//! `/metrics`, `/queries`, `/healthz` and `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vitrail_gate::Gate;

use crate::metrics::Metrics;
use crate::queries;

/// What the endpoints report.
pub struct Health {
    /// Counters of every component.
    pub metrics: Metrics,
    /// Whose statements `/queries` tells of, if there is a gate.
    pub gate: Option<Arc<Gate>>,
    /// Cancelled when the process begins to drain.
    pub draining: CancellationToken,
}

/// Serves until `stop`; returns the bound address at once.
pub async fn serve(address: SocketAddr, health: Arc<Health>, stop: CancellationToken) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/queries", get(figures))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(health);
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the HTTP listener ended");
        }
    });
    Ok(bound)
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], health.metrics.encode()).into_response()
}

async fn figures(State(health): State<Arc<Health>>, RawQuery(query): RawQuery) -> Response {
    let Some(gate) = &health.gate else {
        return (StatusCode::NOT_FOUND, "this process has no gate\n").into_response();
    };
    match queries::answer(gate, query.as_deref().unwrap_or_default()) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(problem) => (StatusCode::BAD_REQUEST, format!("{problem}\n")).into_response(),
    }
}

/// The process runs.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The process takes sessions, and every shard answered when it was last asked.
async fn readyz(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    if health.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".into());
    }
    match health.metrics.unhealthy() {
        shards if shards.is_empty() => {
            let note = if health.metrics.is_outdated() { "the last reload failed; the log says why\n" } else { "" };
            (StatusCode::OK, format!("ready\n{note}"))
        }
        shards => (StatusCode::SERVICE_UNAVAILABLE, format!("no contact with: {}\n", shards.join(", "))),
    }
}
