//! Responds to a request whose handler panics, instead of cutting the connection.

use std::any::Any;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;

use crate::request_id::RequestId;

/// Marks a response that was made after a panic.
#[derive(Clone, Copy)]
struct Panicked;

/// Responds with `answer` if a handler panics, or a layer that was added to the router before. The
/// process's panic hook logs the panic; clients do not get its text.
///
/// Call it before [`observe`](crate::observe), which gives the request its id.
pub fn catch<S>(router: Router<S>, answer: fn(&RequestId) -> Response) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let replace = move |id: Option<Extension<RequestId>>, request: Request, next: Next| async move {
        let response = next.run(request).await;
        if response.extensions().get::<Panicked>().is_none() {
            return response;
        }
        tracing::error!("a request's handler panicked");
        let id = id.map(|Extension(id)| id);
        answer(&id.unwrap_or_else(|| RequestId::from_headers(&HeaderMap::new())))
    };
    router
        .layer(CatchPanicLayer::custom(mark))
        .layer(middleware::from_fn(replace))
}

fn mark(_: Box<dyn Any + Send + 'static>) -> axum::http::Response<Body> {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(Panicked);
    response
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;
    use crate::request_id::HEADER;

    fn answer(id: &RequestId) -> Response {
        let text = format!("failed: {}", id.as_str());
        (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
    }

    #[tokio::test]
    async fn a_panic_gets_a_response_with_the_requests_id() {
        let routes: Router = Router::new()
            .route("/at-once", get(async || panic_with("a secret")))
            .route("/fine", get(async || "fine"))
            .route("/refused", get(async || StatusCode::INTERNAL_SERVER_ERROR));
        let app = crate::observe(catch(routes, answer));
        for (path, status, text) in [
            ("/at-once", 500, "failed: r-1"),
            ("/fine", 200, "fine"),
            ("/refused", 500, ""),
        ] {
            let request = Request::get(path).header(HEADER, "r-1");
            let request = request.body(Body::empty()).unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(response.headers()[HEADER], "r-1");
            let body = to_bytes(response.into_body(), 1024).await.unwrap();
            assert_eq!(body, text.as_bytes(), "{path}");
        }
    }

    fn panic_with(text: &str) -> &'static str {
        panic!("{text}")
    }
}
