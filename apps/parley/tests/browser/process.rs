//! A child process that says which port it listens on, and ends with its handle.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longest time to wait for the port.
const START: Duration = Duration::from_secs(30);

/// Killed when dropped, so that a broken test leaves nothing behind.
pub(crate) struct Process {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Process {
    /// Starts the command and waits for the line with `before`, which stands in front of the port.
    pub(crate) fn start(command: &mut Command, before: &'static str) -> (Process, u16) {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let (port, found) = channel();
        let said = Arc::new(Mutex::new(String::new()));
        listen(child.stdout.take().unwrap(), before, port.clone(), said.clone());
        listen(child.stderr.take().unwrap(), before, port, said.clone());
        let process = Process { child, said };
        match found.recv_timeout(START) {
            Ok(port) => (process, port),
            Err(_) => panic!("{command:?} did not name its port:\n{}", process.said()),
        }
    }

    /// What it has written so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(output: impl Read + Send + 'static, before: &'static str, port: Sender<u16>, said: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(number) = number_after(&line, before).filter(|number| *number > 0) {
                let _ = port.send(number);
            }
            let mut said = said.lock().unwrap();
            said.push_str(&line);
            said.push('\n');
        }
    });
}

fn number_after(line: &str, before: &str) -> Option<u16> {
    let digits = line.split(before).nth(1)?;
    digits.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}
