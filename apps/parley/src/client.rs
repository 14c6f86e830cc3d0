//! The web client: the files of `web/`, embedded, and the addresses that begin it.

use sarsen::Result;
use sarsen::http::{Asset, Assets};

macro_rules! files {
    ($($name:literal),* $(,)?) => { [$(Asset::new($name, include_bytes!(concat!("../web/", $name)))),*] };
}

/// Addresses that the client understands; each begins with the same page.
const PAGES: [(&str, &str); 8] = [
    ("/", "index.html"),
    ("/signin", "index.html"),
    ("/search", "index.html"),
    ("/mentions", "index.html"),
    ("/reports", "index.html"),
    ("/reports/{report}", "index.html"),
    ("/c/{channel}", "index.html"),
    ("/c/{channel}/{*rest}", "index.html"),
];

/// The client, ready to be served.
pub fn assets() -> Result<Assets> {
    Assets::new(&files(), &PAGES)
}

fn files() -> Vec<Asset> {
    let mut files = own_files();
    files.push(Asset::new("realtime.js", sarsen::realtime::CLIENT));
    files
}

fn own_files() -> Vec<Asset> {
    files![
        "api.js",
        "app.css",
        "app.js",
        "attachments.js",
        "avatar.js",
        "channel-dialogs.js",
        "channel.js",
        "channels.js",
        "chart.js",
        "composer.js",
        "csv.js",
        "dialog.js",
        "dom.js",
        "dropping.js",
        "emoji.js",
        "favicon.svg",
        "files.css",
        "history.js",
        "icons.js",
        "index.html",
        "layout.css",
        "listbox.js",
        "live.css",
        "live.js",
        "markup.js",
        "message.css",
        "message.js",
        "notices.js",
        "overlay.css",
        "people.js",
        "posting.js",
        "reading.js",
        "report.js",
        "reports.css",
        "reports.js",
        "results.js",
        "router.js",
        "rows.js",
        "search.js",
        "secret.js",
        "settings.js",
        "shell.js",
        "shortcuts.js",
        "sidebar.js",
        "sign-in.js",
        "statistics.js",
        "store.js",
        "switcher.js",
        "sync.js",
        "tabs.js",
        "theme-toggle.js",
        "theme.js",
        "thread.js",
        "time.js",
        "timeline.js",
        "tray.js",
        "typing.js",
        "viewer.js",
        "webhooks.js",
    ]
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let name = entry.expect("an entry").file_name().into_string().expect("a plain name");
            assert!(files().iter().any(|asset| asset.path == name), "web/{name} is not listed in client.rs");
        }
        let assets = assets().expect("all references are found");
        assert!(assets.url("app.js").expect("served").starts_with("/assets/app."));
    }
}
