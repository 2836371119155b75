//! What HTTP/2 itself bounds for each connection.

use std::time::Duration;

use tonic::transport::Server;

/// Requests of one connection that are open at the same time. A client keeps what is more to itself until
/// others are answered.
const STREAMS: u32 = 256;

/// Bytes of all headers of a request.
const HEADERS: u32 = 16 << 10;

/// Bytes that arrive before somebody reads them, of one request and of one connection. Only streams of
/// texts to embed are not read at once, and those that a connection may have do not fill its window: the
/// rest goes on beside them.
const STREAM_WINDOW: u32 = 128 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// A client that sends nothing for this long is asked whether it is still there, and has this long to
/// answer. A process that ends closes its connections, so this finds those that hang.
const PING_EVERY: Duration = Duration::from_secs(120);
const PING_TIMEOUT: Duration = Duration::from_secs(60);

/// A server with the bounds of each connection, without services.
pub fn server() -> Server {
    Server::builder()
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEADERS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
}
