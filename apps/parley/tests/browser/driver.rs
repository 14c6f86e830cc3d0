//! A W3C WebDriver client, as far as the stories need it.

use crate::http;
use serde_json::{Value, json};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// The name under which an element travels, given by the standard.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// The size of what one looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Screen {
    /// 1440 by 900.
    Desktop,
    /// 390 by 844, with touch, twice as dense.
    Phone,
}

/// A browser of its own; it ends with this.
pub(crate) struct Driver {
    port: u16,
    session: String,
}

/// What the driver refused: its error code, such as `stale element reference`, and its words.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Driver {
    /// Starts a browser that keeps its profile in `folder`.
    pub(crate) fn open(port: u16, binary: &str, folder: &Path, screen: Screen) -> Driver {
        let mut flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        flags.push(format!("--user-data-dir={}", folder.display()));
        flags.push("--lang=en-GB".to_owned());
        flags.push("--window-size=1440,900".to_owned());
        // Without a mouse a headless browser says that it cannot hover, and the client believes it.
        if let Screen::Desktop = screen {
            let mouse = "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4";
            flags.push(format!("--blink-settings={mouse}"));
        }
        let mut options = json!({"binary": binary, "args": flags});
        if let Screen::Phone = screen {
            options["mobileEmulation"] =
                json!({"deviceMetrics": {"width": 390, "height": 844, "pixelRatio": 2.0, "touch": true}});
        }
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": options,
        }}});
        let answer = http::request(port, "POST", "/session", "", Some(&wanted));
        let session = answer.body["value"]["sessionId"].as_str();
        let session = session.unwrap_or_else(|| panic!("no browser: {}", answer.body)).to_owned();
        let driver = Driver { port, session };
        driver.tool("Emulation.setTimezoneOverride", &json!({"timezoneId": afternoon()}));
        if let Screen::Desktop = screen {
            let size = json!({"width": 1440, "height": 900, "deviceScaleFactor": 1, "mobile": false});
            driver.tool("Emulation.setDeviceMetricsOverride", &size);
        }
        driver
    }

    fn command(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Refused> {
        let path = format!("/session/{}{path}", self.session);
        let mut answer = http::request(self.port, method, &path, "", body);
        let value = answer.body["value"].take();
        if answer.status < 400 {
            return Ok(value);
        }
        let word = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Err(Refused { code: word("error"), message: word("message") })
    }

    /// Uses one of the developer tools.
    fn tool(&self, name: &str, parameters: &Value) {
        self.post("/goog/cdp/execute", &json!({"cmd": name, "params": parameters})).unwrap();
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Refused> {
        self.command("POST", path, Some(body))
    }

    /// Loads an address.
    pub(crate) fn go(&self, address: &str) -> Result<Value, Refused> {
        self.post("/url", &json!({"url": address}))
    }

    /// Loads the page again.
    pub(crate) fn reload(&self) -> Result<Value, Refused> {
        self.post("/refresh", &json!({}))
    }

    /// Runs the body of an async function in the page, and waits for what it returns.
    pub(crate) fn run(&self, script: &str, arguments: &[Value]) -> Result<Value, Refused> {
        let script = format!("return (async (...given) => {{ {script} }})(...arguments)");
        self.post("/execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// Clicks as a person does: scrolls there, and only where nothing lies above.
    pub(crate) fn click(&self, element: &Value) -> Result<Value, Refused> {
        self.post(&format!("/element/{}/click", name(element)), &json!({}))
    }

    /// Types into an element, key by key.
    pub(crate) fn keys(&self, element: &Value, text: &str) -> Result<Value, Refused> {
        self.post(&format!("/element/{}/value", name(element)), &json!({"text": text}))
    }

    /// Moves the pointer to a place of the window and turns the wheel by so many pixels.
    pub(crate) fn wheel(&self, (x, y): (i32, i32), by: i32) -> Result<Value, Refused> {
        let turn =
            json!({"type": "scroll", "x": x, "y": y, "deltaX": 0, "deltaY": by, "duration": 0, "origin": "viewport"});
        self.post("/actions", &json!({"actions": [{"type": "wheel", "id": "wheel", "actions": [turn]}]}))
    }

    /// Moves the pointer out of the way.
    pub(crate) fn point(&self, (x, y): (i32, i32)) -> Result<Value, Refused> {
        let step = json!({"type": "pointerMove", "x": x, "y": y, "duration": 0, "origin": "viewport"});
        self.post("/actions", &json!({"actions": [{"type": "pointer", "id": "mouse", "actions": [step]}]}))
    }

    /// Takes the browser off the network, or gives it back.
    pub(crate) fn set_offline(&self, offline: bool) {
        self.set_network(offline, -1);
    }

    /// Lets it send only so many bytes in a second.
    pub(crate) fn set_upload_speed(&self, bytes: i64) {
        self.set_network(false, bytes);
    }

    fn set_network(&self, offline: bool, upload: i64) {
        let conditions =
            json!({"offline": offline, "latency": 0, "download_throughput": -1, "upload_throughput": upload});
        self.post("/chromium/network_conditions", &json!({"network_conditions": conditions})).unwrap();
    }

    /// What is on the screen, as base64 of a PNG.
    pub(crate) fn picture(&self) -> Result<String, Refused> {
        Ok(self.command("GET", "/screenshot", None)?.as_str().unwrap_or_default().to_owned())
    }

    /// What the browser has logged since this was last asked: errors, violations, failed requests.
    pub(crate) fn log(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({"type": "browser"})).unwrap();
        let entries = entries.as_array().unwrap().iter();
        entries.map(|entry| format!("{} {}", entry["level"], entry["message"])).collect()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.command("DELETE", "", None);
    }
}

/// The time zone in which it is about three in the afternoon, so that pictures show a working day.
fn afternoon() -> String {
    let seconds = UNIX_EPOCH.elapsed().unwrap().as_secs();
    let ahead = (15 - i64::try_from(seconds / 3600 % 24).unwrap()).min(14);
    format!("Etc/GMT{:+}", -ahead)
}

fn name(element: &Value) -> &str {
    element[ELEMENT].as_str().expect("an element of the page")
}
