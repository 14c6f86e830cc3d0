//! What a person does and sees on a page. In selectors `@name` stands for `[data-test="name"]`.

use crate::driver::{Driver, Refused, Screen};
use crate::world::World;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(crate) const ENTER: &str = "\u{E007}";
pub(crate) const UP: &str = "\u{E013}";
pub(crate) const ESCAPE: &str = "\u{E00C}";
/// Longest wait for something to appear.
const PATIENCE_MS: u32 = 15_000;
/// How often an element that moved away under the pointer is looked for again.
const TRIES: usize = 20;
/// Waits in the page until `check` gives something; null when it never does.
const WAIT: &str = "
    const [source, patience, ...values] = given;
    const check = new Function('...given', source);
    const end = performance.now() + patience;
    for (;;) {
      const found = check(...values);
      if (found) return found;
      if (performance.now() > end) return null;
      await new Promise((resume) => setTimeout(resume, 20));
    }";

/// Waits until an element no longer moves.
const STILL: &str = "
    const place = () => JSON.stringify(given[0].getBoundingClientRect());
    let before;
    do {
      before = place();
      await new Promise((resume) => requestAnimationFrame(() => requestAnimationFrame(resume)));
    } while (before !== place());";

/// A window with the client in it.
pub(crate) struct Page<'a> {
    driver: Driver,
    world: &'a World,
    _profile: tempfile::TempDir,
}

impl<'a> Page<'a> {
    /// Opens a browser that has never been here.
    pub(crate) fn open(world: &'a World, screen: Screen) -> Page<'a> {
        let profile = tempfile::tempdir().unwrap();
        Page { driver: world.driver(profile.path(), screen), world, _profile: profile }
    }

    /// Goes to a path of the server.
    pub(crate) fn go(&self, path: &str) {
        self.driver.go(&self.world.address(path)).unwrap();
    }

    /// Loads the page again.
    pub(crate) fn reload(&self) {
        self.driver.reload().unwrap();
    }

    /// Signs in through the form.
    pub(crate) fn sign_in(&self, username: &str, password: &str) {
        self.go("/");
        self.fill("@signin-form [name=username]", username);
        self.fill("@signin-form [name=password]", password);
        self.click("@signin-form @submit");
        self.see("#view > *");
    }

    /// Runs the body of an async function in the page.
    pub(crate) fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.driver.run(script, arguments).unwrap_or_else(|refused| self.fail(script, &refused.message))
    }

    /// Waits until the body of a function gives something that is true.
    pub(crate) fn until(&self, what: &str, check: &str, arguments: &[Value]) -> Value {
        let mut given = vec![json!(check), json!(PATIENCE_MS)];
        given.extend_from_slice(arguments);
        match self.driver.run(WAIT, &given) {
            Ok(Value::Null) => self.fail(what, "did not happen"),
            Ok(found) => found,
            Err(refused) => self.fail(what, &refused.message),
        }
    }

    /// Waits for an element that is shown, and gives it.
    pub(crate) fn see(&self, selector: &str) -> Value {
        let check = "return [...document.querySelectorAll(given[0])].find((node) => node.checkVisibility({ visibilityProperty: true }))";
        self.until(&format!("see {selector}"), check, &[css(selector)])
    }

    /// Waits for a shown element with this text in it.
    pub(crate) fn read(&self, selector: &str, text: &str) -> Value {
        let check = "return [...document.querySelectorAll(given[0])].find((node) => node.checkVisibility({ visibilityProperty: true }) && node.textContent.includes(given[1]))";
        self.until(&format!("read “{text}” in {selector}"), check, &[css(selector), json!(text)])
    }

    /// Waits until no such element is shown.
    pub(crate) fn gone(&self, selector: &str) {
        let check = "return ![...document.querySelectorAll(given[0])].some((node) => node.checkVisibility({ visibilityProperty: true }))";
        self.until(&format!("miss {selector}"), check, &[css(selector)]);
    }

    /// Clicks an element once it is there and can be reached.
    pub(crate) fn click(&self, selector: &str) {
        self.attempt(&format!("click {selector}"), || {
            let element = self.see(selector);
            self.driver.run(STILL, std::slice::from_ref(&element))?;
            self.driver.click(&element)
        });
    }

    /// Types into an element, after what is there.
    pub(crate) fn keys(&self, selector: &str, text: &str) {
        self.attempt(&format!("type into {selector}"), || {
            let element = self.see(selector);
            self.driver.keys(&element, text)
        });
    }

    /// Types into a field in place of what is there.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        self.see(selector);
        self.run("const node = document.querySelector(given[0]); node.focus(); node.select()", &[css(selector)]);
        self.keys(selector, text);
    }

    /// Writes into the composer and presses Enter; gives the id of the message once the server has it.
    pub(crate) fn post(&self, text: &str) -> String {
        self.keys("@composer", text);
        self.keys("@composer", ENTER);
        self.message(text)
    }

    /// The id of the message in the history that has this text.
    pub(crate) fn message(&self, text: &str) -> String {
        let check = "return [...document.querySelectorAll('[data-test=history] [data-test=message]')].find((node) => node.textContent.includes(given[0]))?.dataset.id";
        self.until(&format!("have the message “{text}”"), check, &[json!(text)]).as_str().unwrap().to_owned()
    }

    /// Turns the wheel at a place of the window.
    pub(crate) fn wheel(&self, place: (i32, i32), by: i32) {
        self.driver.wheel(place, by).unwrap();
    }

    /// Takes the browser off the network, or gives it back.
    pub(crate) fn set_offline(&self, offline: bool) {
        self.driver.set_offline(offline);
    }

    /// Lets the browser send only so many bytes in a second; all it can with -1.
    pub(crate) fn set_upload_speed(&self, bytes: i64) {
        self.driver.set_upload_speed(bytes);
    }

    /// Saves what is on the screen under `target/screenshots`, with the pointer away from everything.
    pub(crate) fn picture(&self, name: &str) -> PathBuf {
        let _ = self.driver.point((2, 2));
        let settle = "await document.fonts.ready; await Promise.allSettled(document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity).map((one) => one.finished))";
        self.run(settle, &[]);
        self.save(name)
    }

    fn save(&self, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.png"));
        std::fs::write(&file, BASE64.decode(self.driver.picture().unwrap()).unwrap()).unwrap();
        file
    }

    /// The page does not scroll sideways.
    pub(crate) fn fits(&self) {
        let wide = "return [...document.querySelectorAll('body *')].filter((node) => node.checkVisibility({ visibilityProperty: true }) && !node.closest('pre, .sidebar, .settings-tabs, .visually-hidden, #ops .menu, #ops .tabs, #ops .scroll') && node.getBoundingClientRect().right > innerWidth + 1).map((node) => `${node.tagName}.${node.className}`)";
        let wide = self.run(wide, &[]);
        assert_eq!(wide, json!([]), "wider than the screen");
        assert_eq!(self.run("return document.documentElement.scrollWidth - innerWidth", &[]), json!(0));
    }

    /// Nothing went wrong in the browser, but for failed requests to addresses with one of these parts.
    pub(crate) fn clean(&self, expected: &[&str]) {
        let log = self.driver.log();
        let bad = |line: &&String| !line.starts_with("\"INFO\"") && !expected.iter().any(|part| line.contains(part));
        let wrong: Vec<&String> = log.iter().filter(bad).collect();
        assert!(wrong.is_empty(), "the browser complained: {wrong:#?}");
    }

    fn attempt(&self, what: &str, act: impl Fn() -> Result<Value, Refused>) {
        for left in (0..TRIES).rev() {
            let Err(Refused { code, message }) = act() else { return };
            let passing = ["stale element reference", "element click intercepted", "element not interactable"];
            if left == 0 || !passing.contains(&code.as_str()) {
                self.fail(what, &message);
            }
            self.run("await new Promise((resume) => setTimeout(resume, 100))", &[]);
        }
    }

    fn fail(&self, what: &str, why: &str) -> ! {
        let file = self.save("failed");
        panic!(
            "{what}: {why}\nscreen: {}\nbrowser: {:#?}\nserver: {}",
            file.display(),
            self.driver.log(),
            self.world.said()
        )
    }
}

/// A selector as the browser reads it.
fn css(selector: &str) -> Value {
    let mut parts = selector.split('@');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|character: char| !(character.is_ascii_lowercase() || character == '-'));
        let (name, rest) = part.split_at(end.unwrap_or(part.len()));
        text.push_str(&format!("[data-test=\"{name}\"]{rest}"));
    }
    json!(text)
}
