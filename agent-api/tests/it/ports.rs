//! Ports of a container that are published by the agent, over SSH into the simulated Proxmox.

use serde_json::json;

use crate::{
    agent::Agent,
    inside::Tenant,
    model::{Scripted, calls, words},
};

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn a_page_is_written_served_and_published_by_two_sentences() {
    let tenant = Tenant::new().await;
    let ctid = tenant.lease["ctid"].clone();
    tenant
        .do_it("write `<h1>Hi</h1>` to /srv/www/index.html")
        .await;
    let asked = tenant.say("serve /srv/www and give me the URL").await;
    let command = asked.body["payment_request"]["call"]["command"]
        .as_str()
        .unwrap();
    assert!(command.contains("port=8080 folder='/srv/www'"), "{command}");
    let done = tenant.pay(&asked).await;
    let url = done.result()["url"].as_str().unwrap().to_owned();
    assert_eq!(done.result()["access"], "owner");
    let reply = done.reply();
    assert!(
        reply.contains("serves `/srv/www` in the background as cmd_"),
        "{reply}"
    );
    assert!(reply.contains(&format!("<{url}> for you alone")), "{reply}");

    let again = tenant.say("serve /srv/www and give me the URL").await;
    assert!(
        again.reply().starts_with("A web server runs already."),
        "{}",
        again.body
    );
    assert_eq!(again.result()["url"], url);

    let listed = tenant.say("which ports are published").await;
    assert!(listed.reply().contains(&url), "{}", listed.body);
    let closed = tenant.do_it("close port 8080").await;
    assert_eq!(
        closed.reply(),
        "The port is closed: its address answers nothing any more."
    );
    let listed = tenant.say("which ports are published").await;
    assert_eq!(listed.reply(), "The container has no published port.");

    let stranger = tenant
        .agent
        .say(&format!("publish port 8080 of container {ctid}"))
        .await;
    assert!(
        stranger.reply().contains("did not work"),
        "{}",
        stranger.body
    );
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn a_link_goes_to_the_customer_alone_and_everybody_is_confirmed() {
    let tenant = Tenant::new().await;
    let ctid = tenant.lease["ctid"].clone();
    let model = Scripted::saying([
        calls([(
            "expose_port",
            json!({"ctid": ctid, "port": 8080, "access": "link"}),
        )]),
        calls([("list_ports", json!({"ctid": ctid}))]),
        words("It is published."),
    ]);
    let agent = Agent::with(&tenant.market.url, Some(model.clone()), &[]).await;
    let body = json!({"message": "publish it by link", "session": tenant.session});
    let said = agent.chat(body).await;
    let link = said.result()["ports"][0]["link"]
        .as_str()
        .unwrap()
        .to_owned();
    let (url, token) = link.split_once('?').unwrap();
    assert!(token.len() > 20, "the customer gets it");
    let token = token.split_once('=').unwrap().1;
    let seen = model.seen();
    assert!(seen.contains(url) && !seen.contains(token), "{seen}");

    let asked = tenant.say("make port 8080 public").await;
    let call = &asked.body["events"].as_array().unwrap().last().unwrap()["call"];
    let summary = call["summary"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", asked.body));
    assert!(summary.ends_with("for everybody"), "{summary}");
    let listed = tenant.say("list the ports").await;
    assert_eq!(
        listed.result()["ports"][0]["access"],
        "link",
        "not before the confirmation"
    );
    let public = tenant.confirm(&asked).await;
    assert_eq!(public.result()["access"], "public", "{}", public.body);
    assert!(
        public.reply().contains(&format!("<{url}> for everybody")),
        "{}",
        public.body
    );
    let private = tenant.say("make port 8080 private again").await;
    assert_eq!(private.result()["access"], "owner", "{}", private.body);
}
