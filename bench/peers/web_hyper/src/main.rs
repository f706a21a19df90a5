// SPDX-License-Identifier: MIT

// Hello, world by hyper, on one thread.
//
// usage: web_hyper PORT

use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Request, Response, Server};
use std::convert::Infallible;

async fn hello(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    let mut answer = Response::new(Body::from("Hello, world!\n"));
    answer.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("text/plain"));
    Ok(answer)
}

fn main() {
    let port: u16 = std::env::args().nth(1).expect("usage: web_hyper PORT").parse().expect("a port");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let service = make_service_fn(|_| async { Ok::<_, Infallible>(service_fn(hello)) });
        Server::bind(&([127, 0, 0, 1], port).into()).tcp_nodelay(true).serve(service).await.unwrap();
    });
}
