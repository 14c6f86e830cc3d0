//! The modules and who calls whom, as a Mermaid diagram.

use super::App;
use crate::module::ModuleInfo;
use std::fmt::Write;

impl App {
    /// The modules and their calls as Mermaid text, which GitHub and many editors draw.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("graph LR\n");
        for module in self.modules() {
            let _ = writeln!(text, "  {0}[\"{0}<br/><small>{1}</small>\"]", module.name, summary(module));
        }
        for module in self.modules() {
            for on in &module.dependencies {
                let _ = writeln!(text, "  {} -->|calls| {}", module.name, self.serving(on.api));
            }
        }
        text
    }

    /// The module behind an API; the name of the API when it is a fake.
    pub(crate) fn serving(&self, api: &'static str) -> &'static str {
        self.modules().find(|module| module.api.name == api).map_or(api, |module| module.name)
    }
}

fn summary(module: &ModuleInfo) -> String {
    let tables = match module.tables.len() {
        1 => "1 table".to_owned(),
        count => format!("{count} tables"),
    };
    if module.serves_http { format!("{tables}, http") } else { tables }
}
