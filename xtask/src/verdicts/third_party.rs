//! Another service, which thinks for a while before it answers.
#![expect(clippy::disallowed_methods, reason = "xtask has no runtime: threads of its own make the load")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::{Outcome, wait};

/// A server on the loopback that answers late, until it is dropped.
#[derive(Debug)]
pub(super) struct ThirdParty {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
}

impl ThirdParty {
    pub(super) fn start(think: Duration) -> Outcome<ThirdParty> {
        let problem = |error| format!("the slow service cannot listen: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(problem)?;
        let (address, stopping) = (listener.local_addr().map_err(problem)?, Arc::new(AtomicBool::new(false)));
        let stop = stopping.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                thread::spawn(move || {
                    let _asked = stream.read(&mut [0; 1024]);
                    let _thought = wait::until(think, || None::<()>);
                    let _told =
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n42");
                });
            }
        });
        Ok(ThirdParty { address, stopping })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ThirdParty {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Its thread waits for somebody to come.
        let _woken = std::net::TcpStream::connect(self.address);
    }
}
