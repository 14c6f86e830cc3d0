//! Reports: asking for one, seeing how far it is, reading it, and taking it along.

use crate::driver::Screen;
use crate::page::Page;
use crate::world::World;
use parley::seed::PASSWORD;
use serde_json::json;

/// The days of the made-up workspace's messages, and a button that asks for them.
const LAST_WEEKS: &str = "
    const [first, last] = ['first_day', 'last_day'].map((name) => document.querySelector(`[data-test=report-form] [name=${name}]`));
    const day = new Date(); last.value = day.toISOString().slice(0, 10);
    day.setDate(day.getDate() - 20); first.value = day.toISOString().slice(0, 10);
    return true";

/// The made-up workspace is counted too quickly to see it, so what the server says of reports is changed for a while.
const HOLD: &str = "
    window.held = given[0];
    const plain = window.fetch;
    window.fetch = async (path, ...rest) => {
      const answer = await plain(path, ...rest);
      if (!window.held || !String(path).startsWith('/v1/reports?')) return answer;
      const list = await answer.json();
      return Response.json({ ...list, items: list.items.map((report) => ({ ...report, ...window.held })) });
    }";

pub(crate) fn a_report_is_asked_for_read_and_taken_along(world: &World) {
    let page = Page::open(world, Screen::Desktop);
    page.sign_in("mira", PASSWORD);
    page.click("@reports");
    page.read("@report-list", "No reports yet");
    page.run(LAST_WEEKS, &[]);
    page.run(HOLD, &[json!({"state": "waiting", "progress": null})]);
    page.click("@report-form @submit");
    page.read("@report[data-state=waiting] @report-progress", "Waiting for its turn");
    page.run(
        "held = given[0]",
        &[json!({"state": "running", "progress": {"done": 42, "total": 100, "note": "#engineering: 12000 messages"}})],
    );
    page.read("@report[data-state=running] @report-progress", "42% · #engineering: 12000 messages");
    assert_eq!(page.run("return document.querySelector('progress').value", &[]), json!(0.42));
    page.picture("reports-running");
    page.run("held = null", &[]);
    page.see("@report[data-state=ready]");
    page.picture("reports");

    page.click("@open-report");
    page.read("@report-table", "#engineering");
    page.see("@chart-days .bar-most");
    page.picture("report");
    downloads(&page);

    page.click(".sidebar @theme-toggle");
    page.picture("report-dark");
    page.click(".head-title a");
    page.click("@weekly");
    page.read(".toast", "every Monday");
    page.reload();
    page.until("stay subscribed", "return document.querySelector('[data-test=weekly]')?.checked", &[]);
    page.click("@delete-report");
    page.click("@confirm");
    page.read("@report-list", "No reports yet");
    page.clean(&["/v1/session"]);
}

/// What the link gives is the table that is shown.
fn downloads(page: &Page<'_>) {
    let fetched = "
        const link = document.querySelector('[data-test=download]');
        const answer = await fetch(link.href);
        const text = await answer.text();
        return [link.download, answer.headers.get('content-disposition'), text.split('\\r\\n').length - 2, document.querySelectorAll('[data-test=report-row]').length]";
    let found = page.run(fetched, &[]);
    let name = found[0].as_str().expect("a name");
    assert!(name.starts_with("activity-20"), "{name}");
    assert_eq!(found[1], json!(format!("attachment; filename=\"{name}\"")));
    assert!(found[2].as_u64() > Some(3), "{found}");
    assert_eq!(found[2], found[3], "a row of the table for each line of the file");
    page.click("@download");
}

pub(crate) fn a_channel_has_webhooks(world: &World) {
    let page = Page::open(world, Screen::Desktop);
    page.sign_in("mira", PASSWORD);
    page.click("@channel-item[data-name=engineering]");
    page.click("@channel-details");
    page.click("@webhooks-open");
    page.keys("@webhook-form [name=url]", "ftp://example.org");
    page.click("@webhook-form @submit");
    page.read("@note-url.field-error", "does not begin with https:// or http://");
    // The server itself answers a POST there with a refusal.
    page.fill("@webhook-form [name=url]", &world.address("/nowhere"));
    page.click("@webhook-form @submit");
    page.see("@new-webhook input");
    page.picture("webhook-secret");
    page.click("@test-webhook");
    page.read("@delivery[data-status=failed]", "answered 404");
    page.click("@replay");
    page.read("@delivery[data-status=failed]", "answered 404");
    page.picture("webhook-deliveries");
    page.click("@disable-webhook");
    page.read("@disabled-reason", "its owner disabled it");
    page.click("@enable-webhook");
    page.gone("@disabled-reason");

    page.click("@tab-incoming");
    page.keys("@hook-form [name=name]", "Build server");
    page.click("@hook-form @submit");
    page.see("@new-hook input");
    page.read("@hook", "Build server");
    page.picture("webhook-incoming");
    page.click("@revoke-hook");
    page.click("@confirm");
    page.gone("@hook");
    page.clean(&["/v1/session", "/webhooks"]);
}

pub(crate) fn reports_and_webhooks_fit_a_phone(world: &World) {
    let page = Page::open(world, Screen::Phone);
    page.sign_in("mira", PASSWORD);
    page.click("@menu-toggle");
    page.click("@reports");
    page.see("@report-form");
    page.run(LAST_WEEKS, &[]);
    page.click("@report-form @submit");
    page.see("@report[data-state=ready]");
    page.fits();
    page.picture("phone-reports");
    page.click("@open-report");
    page.see("@report-table");
    page.fits();
    page.picture("phone-report");
    page.click("@menu-toggle");
    page.click("@channel-item[data-name=engineering]");
    page.click("@channel-details");
    page.click("@webhooks-open");
    page.keys("@webhook-form [name=url]", &world.address("/nowhere"));
    page.click("@webhook-form @submit");
    page.see("@new-webhook input");
    page.click("@test-webhook");
    page.read("@delivery", "answered 404");
    page.fits();
    page.picture("phone-webhooks");
    page.clean(&["/v1/session"]);
}
