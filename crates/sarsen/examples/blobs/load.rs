//! A client that sends a large file and loads it again, and looks at what the server took for it meanwhile.

use sarsen::{Error, Result, clock};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const BLOCK: usize = 64 << 10;

/// Blocks that differ, and do not compress.
struct Blocks {
    state: u64,
    block: Vec<u8>,
}

impl Blocks {
    fn new() -> Self {
        Self { state: 0x9e37_79b9_7f4a_7c15, block: vec![0; BLOCK] }
    }

    fn next(&mut self, most: u64) -> &[u8] {
        for word in self.block.chunks_exact_mut(8) {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            word.copy_from_slice(&self.state.to_le_bytes());
        }
        &self.block[..usize::try_from(most).unwrap_or(BLOCK).min(BLOCK)]
    }
}

/// What a process took while a file passed it.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Moved {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) before_kb: u64,
    pub(crate) peak_up_kb: u64,
    pub(crate) peak_down_kb: u64,
    pub(crate) up_seconds: f64,
    pub(crate) down_seconds: f64,
}

/// Sends `bytes` bytes to the server at `address`, loads them again and compares; says what `process` took meanwhile.
pub(crate) async fn moved(address: &str, process: &str, bytes: u64) -> Result<Moved> {
    let address: SocketAddr = address.parse().map_err(|_| Error::invalid(format!("`{address}` is no address")))?;
    let before_kb = peak(process)?;
    let began = clock::monotonic();
    let (key, hash) = up(address, bytes).await?;
    let (uploaded, peak_up_kb) = (clock::monotonic() - began, peak(process)?);
    let began = clock::monotonic();
    let (size, loaded) = down(address, &key).await?;
    let (downloaded, peak_down_kb) = (clock::monotonic() - began, peak(process)?);
    if (size, &loaded) != (bytes, &hash) {
        return Err(Error::internal(format!("{bytes} bytes with {hash} came back as {size} with {loaded}")));
    }
    let (up_seconds, down_seconds) = (uploaded.as_secs_f64(), downloaded.as_secs_f64());
    Ok(Moved { bytes, sha256: hash, before_kb, peak_up_kb, peak_down_kb, up_seconds, down_seconds })
}

/// Sends the file; its key, and the hash of what was sent.
async fn up(address: SocketAddr, bytes: u64) -> Result<(String, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "POST /v1/files HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/octet-stream\r\n\
         content-length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let (mut blocks, mut hash, mut left) = (Blocks::new(), Sha256::new(), bytes);
    while left > 0 {
        let block = blocks.next(left);
        hash.update(block);
        stream.write_all(block).await?;
        left -= block.len() as u64;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let hash = hex(&hash.finalize());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let file: serde_json::Value = serde_json::from_str(body)
        .map_err(|error| Error::internal(format!("the server answered {answer:?}")).source(error))?;
    match (file["key"].as_str(), file["sha256"].as_str()) {
        (Some(key), Some(kept)) if kept == hash => Ok((key.to_owned(), hash)),
        _ => Err(Error::internal(format!("{hash} was sent, and the server kept {file}"))),
    }
}

/// Loads the file; how many bytes came, and their hash.
async fn down(address: SocketAddr, key: &str) -> Result<(u64, String)> {
    let stream = TcpStream::connect(address).await?;
    let mut stream = BufReader::with_capacity(BLOCK, stream);
    let head = format!("GET /v1/files/{key} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut line = String::new();
    let mut first = true;
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        if first && !line.starts_with("HTTP/1.1 200") {
            return Err(Error::internal(format!("the server answered {line:?}")));
        }
        first = false;
        if line == "\r\n" {
            break;
        }
    }
    let (mut hash, mut size, mut block) = (Sha256::new(), 0, vec![0; BLOCK]);
    loop {
        let read = stream.read(&mut block).await?;
        if read == 0 {
            return Ok((size, hex(&hash.finalize())));
        }
        hash.update(&block[..read]);
        size += read as u64;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The most that a process has had in memory.
fn peak(process: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    peak.ok_or_else(|| Error::internal(format!("the system does not say what process {process} takes")))
}
