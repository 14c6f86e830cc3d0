//! The listener: accepts, serves HTTP/1 and HTTP/2 on one port, watches for silence, and drains at the end.

use super::stack::Stack;
use crate::clock;
use crate::config::HttpSection;
use crate::error::Result;
use crate::lifecycle::{self, Lifecycle};
use crate::telemetry::Stamped;
use axum::response::Response;
use futures_util::FutureExt;
use http::Request;
use http::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::server::conn::auto::Builder;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::connection::{Activity, Busy, Order, Socket};

/// How long accepting rests after an error such as "too many open files".
const BACK_OFF: Duration = Duration::from_millis(100);

/// Serves `stack` on `listener` until the application stops and its connections are drained.
///
/// At the signal to stop nothing new is accepted, requests at work may finish within `drain_timeout`, and what is still
/// open then is cut.
pub async fn serve(listener: TcpListener, stack: Stack, section: &HttpSection, lifecycle: &Lifecycle) -> Result<()> {
    let server = Arc::new(Server {
        builder: builder(section),
        stack,
        open: Mutex::default(),
        places: Arc::new(Semaphore::new(section.max_connections.min(Semaphore::MAX_PERMITS))),
    });
    let watch = lifecycle::spawn_background(server.clone().watch(section.header_timeout.0));
    tokio::select! {
        () = lifecycle.stopping() => {}
        () = server.clone().accept_all(listener) => {}
    }
    server.drain(section.drain_timeout.0).await;
    watch.abort();
    Ok(())
}

fn builder(section: &HttpSection) -> Builder<Tasks> {
    let max_head = usize::try_from(section.max_head.0).unwrap_or(usize::MAX);
    let mut builder = Builder::new(Tasks);
    // hyper takes 8 KB at least.
    builder.http1().max_buf_size(max_head.max(8192)).max_headers(section.max_headers);
    builder
        .http2()
        .max_concurrent_streams(section.max_streams)
        .max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX));
    builder
}

/// Streams of HTTP/2 run as tasks that the drain waits for.
#[derive(Clone, Debug)]
struct Tasks;

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        lifecycle::spawn(Stamped::new(future));
    }
}

struct Server {
    builder: Builder<Tasks>,
    stack: Stack,
    open: Mutex<Open>,
    places: Arc<Semaphore>,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, Arc<Activity>>,
}

impl Server {
    async fn accept_all(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok(place) = self.places.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let server = self.clone();
                    lifecycle::spawn(async move {
                        server.serve_connection(stream).await;
                        drop(place);
                    });
                }
                Err(error) if is_of_one_connection(error.kind()) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    clock::pause(BACK_OFF).await;
                }
            }
        }
    }

    async fn serve_connection(&self, stream: TcpStream) {
        // Without it small answers wait for acknowledgements; where it fails, the connection is gone already.
        let _ = stream.set_nodelay(true);
        let activity = Arc::new(Activity::default());
        let _registered = self.register(&activity);
        let (stack, of_service) = (self.stack.clone(), activity.clone());
        let service =
            service_fn(move |request: Request<Incoming>| answer(&stack, request, Activity::begin(&of_service)));
        let connection = self.builder.serve_connection_with_upgrades(Socket::new(stream, activity.clone()), service);
        let mut connection = pin!(connection);
        let mut asked = false;
        let served = std::future::poll_fn(|context| {
            activity.remember(context.waker());
            match activity.order() {
                Order::Serve => {}
                Order::Finish if asked => {}
                Order::Finish => {
                    asked = true;
                    connection.as_mut().graceful_shutdown();
                }
                Order::Cut => return Poll::Ready(()),
            }
            // An error here is the client's: it broke the protocol or went away.
            connection.as_mut().poll(context).map(|_| ())
        });
        // A request began when its connection was woken, not when there was time for it.
        Stamped::new(served).await;
    }

    fn register(&self, activity: &Arc<Activity>) -> Registered<'_> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.next += 1;
        let id = open.next;
        open.connections.insert(id, activity.clone());
        Registered { server: self, id }
    }

    fn connections(&self) -> Vec<Arc<Activity>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.connections.values().cloned().collect()
    }

    /// Ends connections that are silent: no request at work, and nothing sent or begun for `patience`.
    ///
    /// One look over all connections four times within that time; no request pays for a timer.
    async fn watch(self: Arc<Self>, patience: Duration) {
        const LOOKS: u32 = 4;
        loop {
            clock::pause((patience / LOOKS).max(Duration::from_millis(1))).await;
            for activity in self.connections() {
                match activity.look() {
                    quiet if quiet > LOOKS => activity.give(Order::Cut),
                    LOOKS => activity.give(Order::Finish),
                    _ => {}
                }
            }
        }
    }

    async fn drain(&self, patience: Duration) {
        self.connections().iter().for_each(|activity| activity.give(Order::Finish));
        let deadline = clock::monotonic() + patience;
        let _ = clock::until(deadline, self.all_closed()).await;
        self.connections().iter().for_each(|activity| activity.give(Order::Cut));
        let _ = clock::until(clock::monotonic() + BACK_OFF, self.all_closed()).await;
    }

    async fn all_closed(&self) {
        while !self.connections().is_empty() {
            clock::pause(Duration::from_millis(5)).await;
        }
    }
}

/// Answers; a request whose end somebody before us may have seen elsewhere is the last of its connection.
///
/// One with a transfer encoding may have had a length too, which hyper leaves out (RFC 9112, section 6.1).
fn answer(
    stack: &Stack,
    request: Request<Incoming>,
    busy: Busy,
) -> impl Future<Output = std::result::Result<Response, Infallible>> + Send + use<> {
    let last = !request.body().is_end_stream() && request.headers().contains_key(TRANSFER_ENCODING);
    stack.call_held(request, busy).map(move |mut response| {
        if last {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    })
}

fn is_of_one_connection(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)
}

struct Registered<'a> {
    server: &'a Server,
    id: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        let mut open = self.server.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.connections.remove(&self.id);
    }
}
