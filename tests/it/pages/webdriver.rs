//! A real browser, driven as the W3C WebDriver recommendation says: JSON over HTTP to `chromedriver`. Each command names
//! its section of the recommendation.
//!
//! Knows Chromium's ways (flags, log, device emulation) and nothing of our pages.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::{http, until};

/// The longest that the driver may take to be ready, and one command to be done, on a machine that builds beside it.
const PATIENCE: Duration = Duration::from_secs(60);
/// How chromedriver says where it listens; the port and a full stop follow.
const STARTED: &str = "started successfully on port ";
/// The name under which an element's reference travels (section *Elements*).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Quiet and on its own: no sandbox since tests may run as root in a container, no call to anywhere.
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

/// A browser with a profile of its own; ended when dropped.
pub struct Browser {
    port: u16,
    session: String,
    /// The browser's own process.
    process: Option<i32>,
    http: reqwest::Client,
    _driver: Child,
    profile: TempDir,
}

/// An element of the page that is shown; stale after the next page.
pub struct Element(String);

impl Browser {
    /// Starts one; none, and said so loudly, where no `chromedriver` is installed. In CI that is a failure.
    pub async fn start() -> Option<Self> {
        let Some(program) = found("chromedriver") else {
            assert!(std::env::var_os("CI").is_none(), "no chromedriver: in CI the pages must be looked at");
            eprintln!("SKIPPED: no chromedriver on PATH, so no page was looked at (apt-get install chromium-driver)");
            return None;
        };
        let profile = TempDir::new().expect("a folder for the profile");
        let mut driver = Command::new(program)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver starts");
        let port = tokio::time::timeout(PATIENCE, port(&mut driver)).await.expect("chromedriver is ready in time");
        let mut browser = Self { port, session: String::new(), process: None, http: http(), _driver: driver, profile };
        browser.new_session().await;
        Some(browser)
    }

    /// Section *New Session*.
    async fn new_session(&mut self) {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let flags: Vec<_> = FLAGS.iter().copied().chain([profile.as_str()]).collect();
        let wanted = json!({
            "browserName": "chrome", "goog:chromeOptions": { "args": flags }, "goog:loggingPrefs": { "browser": "ALL" },
        });
        let answer = self.post("/session", &json!({ "capabilities": { "alwaysMatch": wanted } })).await;
        answer["sessionId"].as_str().expect("a session has an id").clone_into(&mut self.session);
        self.process = answer["capabilities"]["goog:processID"].as_i64().and_then(|id| i32::try_from(id).ok());
    }

    /// Ends a browser that is still there although its session was deleted: a busy machine has been seen to leave some.
    fn end_left_over(&self) -> Option<()> {
        let id = self.process?;
        let command = std::fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
        let ours = command.contains(self.profile.path().to_str()?);
        let process = Pid::from_raw(id).filter(|_| ours)?;
        kill_process(process, Signal::KILL).ok()
    }

    /// Shows a page and waits until it is whole. Section *Navigate To*.
    pub async fn open(&self, url: &str) {
        self.order("url", &json!({ "url": url })).await;
    }

    /// Section *Get Current URL*.
    pub async fn url(&self) -> String {
        let answer = self.http.get(self.at(&self.path("url"))).send().await;
        value(answer.expect("chromedriver answers")).await.as_str().expect("an address").to_owned()
    }

    /// What a script gives back. Section *Execute Script*.
    pub async fn run(&self, script: &str) -> Value {
        self.order("execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// The first element that a CSS selector finds. Section *Find Element*.
    pub async fn find(&self, css: &str) -> Element {
        let answer = self.order("element", &json!({ "using": "css selector", "value": css })).await;
        Element(answer[ELEMENT].as_str().expect("an element has a reference").to_owned())
    }

    /// Clicks the first element of a selector, as a person does: it must be in sight. Section *Element Click*.
    pub async fn click(&self, css: &str) {
        let Element(id) = self.find(css).await;
        self.order(&format!("element/{id}/click"), &json!({})).await;
    }

    /// Types into a field, or gives a file to a file field. Section *Element Send Keys*.
    pub async fn write(&self, css: &str, text: &str) {
        let Element(id) = self.find(css).await;
        self.order(&format!("element/{id}/value"), &json!({ "text": text })).await;
    }

    /// Whether anything is there for a selector.
    pub async fn has(&self, css: &str) -> bool {
        self.run(&format!("return document.querySelector({}) !== null", Value::from(css))).await == true
    }

    /// What one reads on the page.
    pub async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an element is there.
    pub async fn wait_for(&self, css: &str) {
        until(css, PATIENCE, async || self.has(css).await.then_some(())).await;
    }

    /// Forgets who is signed in. Section *Delete All Cookies*.
    pub async fn forget(&self) {
        let answer = self.http.delete(self.at(&self.path("cookie"))).send().await;
        value(answer.expect("chromedriver answers")).await;
    }

    /// A window of this size; at 480 pixels or less a phone, which lays a page out as phones do.
    pub async fn resize(&self, width: u32, height: u32, scale: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": width <= 480 });
        self.devtools("Emulation.setDeviceMetricsOverride", &size).await;
    }

    /// `light` or `dark`, as the person's system says.
    pub async fn prefer(&self, theme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.devtools("Emulation.setEmulatedMedia", &features).await;
    }

    /// What the browser complained of since it was last asked (chromedriver's extension `se/log`).
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.order("se/log", &json!({ "type": "browser" })).await;
        let severe = log.as_array().expect("the log is a list").iter().filter(|line| line["level"] == "SEVERE");
        severe.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What is in the window, as PNG. Section *Take Screenshot*.
    pub async fn picture(&self) -> Vec<u8> {
        let answer = self.http.get(self.at(&self.path("screenshot"))).send().await;
        let text = value(answer.expect("chromedriver answers")).await;
        from_base64(text.as_str().expect("a picture comes as text"))
    }

    /// A command of the browser's own protocol (chromedriver's extension).
    async fn devtools(&self, command: &str, params: &Value) {
        self.order("goog/cdp/execute", &json!({ "cmd": command, "params": params })).await;
    }

    async fn order(&self, command: &str, body: &Value) -> Value {
        self.post(&self.path(command), body).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.http.post(self.at(path)).timeout(PATIENCE).json(body).send().await;
        value(answer.expect("chromedriver answers")).await
    }

    fn path(&self, command: &str) -> String {
        format!("/session/{}/{command}", self.session)
    }

    fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Browser {
    /// Section *Delete Session*: ends the browser too, which outlives a driver that is merely killed. A drop cannot wait
    /// for a future, so this one command is written by hand.
    fn drop(&mut self) {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            self.delete_session(stream);
        }
        self.end_left_over();
    }
}

impl Browser {
    fn delete_session(&self, mut stream: TcpStream) {
        let end = format!(
            "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            self.session, self.port
        );
        let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
        let _ = stream.write_all(end.as_bytes());
        let _ = stream.read(&mut [0; 512]);
    }
}

/// The answer's value; an error of the driver ends the test with its words.
async fn value(answer: reqwest::Response) -> Value {
    let (status, url) = (answer.status(), answer.url().path().to_owned());
    let mut body: Value = answer.json().await.expect("chromedriver answers in JSON");
    assert!(status.is_success(), "{url}: {}: {}", body["value"]["error"], body["value"]["message"]);
    body["value"].take()
}

/// The port that it says; the rest of its output is thrown away by a task that ends with it.
async fn port(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().expect("its output is piped")).lines();
    let port = loop {
        let line = lines.next_line().await.expect("its output can be read").expect("chromedriver starts");
        if let Some((_, port)) = line.split_once(STARTED) {
            break port.trim_end_matches('.').parse().expect("a port");
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    port
}

/// Where a program lies on `PATH`.
fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file: &PathBuf| Path::is_file(file))
}

/// Base 64 (RFC 4648, section 4); what is not of its alphabet is passed over.
fn from_base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<_> = text.bytes().filter_map(digit).collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let bits = four.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit)) << (6 * (4 - four.len()));
        bits.to_be_bytes().into_iter().skip(1).take(four.len() * 6 / 8)
    });
    bytes.collect()
}

#[test]
fn base64_is_read() {
    let check = |text, expected: &str| assert_eq!(from_base64(text), expected.as_bytes());
    check("", "");
    check("Zg==", "f");
    check("Zm8=", "fo");
    check("Zm9vYmFy", "foobar");
}
