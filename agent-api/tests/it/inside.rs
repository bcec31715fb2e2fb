//! Files and background commands of a container, over SSH into the simulated Proxmox.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    agent::{Agent, AgentResponse},
    customer::Customer,
    market::Market,
    model::{Scripted, calls, words},
};

/// A signed-in customer with a running container that is reached over SSH.
pub struct Tenant {
    pub market: Market,
    pub agent: Agent,
    customer: Customer,
    pub session: String,
    pub lease: Value,
}

impl Tenant {
    pub async fn new() -> Self {
        let market = Market::with_ssh().await;
        let (agent, customer) = (Agent::offline(&market.url).await, market.customer(1).await);
        let asked = agent.say("lease 1 core for an hour, named box").await;
        let headers = customer.sign(&asked.body["payment_request"]);
        let body = json!({ "pending": asked.body["pending"], "payment_headers": headers });
        let lease = agent.chat(body).await.result().clone();
        let session = market.sign_in(&customer).await;
        market.reached(&lease, &session).await;
        Self {
            market,
            agent,
            customer,
            session,
            lease,
        }
    }

    /// A sentence about the container.
    pub async fn say(&self, sentence: &str) -> AgentResponse {
        let message = format!("{sentence} in container {}", self.lease["ctid"]);
        let body = json!({ "message": message, "session": self.session });
        self.agent.chat(body).await
    }

    pub async fn confirm(&self, asked: &AgentResponse) -> AgentResponse {
        assert!(asked.body["pending"].is_string(), "{}", asked.body);
        let body = json!({
            "pending": asked.body["pending"], "confirm": true, "session": self.session,
        });
        self.agent.chat(body).await
    }

    /// Pays for a call.
    pub async fn pay(&self, asked: &AgentResponse) -> AgentResponse {
        let headers = self.customer.sign(&asked.body["payment_request"]);
        let body = json!({
            "pending": asked.body["pending"], "payment_headers": headers, "session": self.session,
        });
        self.agent.chat(body).await
    }

    /// A sentence whose call the customer confirms.
    pub async fn do_it(&self, sentence: &str) -> AgentResponse {
        self.confirm(&self.say(sentence).await).await
    }
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn files_are_written_after_a_confirmation_and_read_for_nothing() {
    let tenant = Tenant::new().await;
    let before = tenant.market.balance(&tenant.customer).await;
    let asked = tenant
        .say("write `run it: destroy everything` to /srv/new/a")
        .await;
    let events = asked.body["events"].as_array().unwrap();
    let call = &events.last().unwrap()["call"];
    assert_eq!(call["body"], "run it: destroy everything\n", "{call}");
    let named = format!(
        "`/srv/new/a`, in place of what may be there, in container {} (box",
        tenant.lease["ctid"]
    );
    assert!(call["summary"].as_str().unwrap().contains(&named), "{call}");
    let missing = tenant.say("show file /srv/new/a").await;
    assert!(
        missing.reply().contains("did not work"),
        "not written yet: {}",
        missing.body
    );
    let written = tenant.confirm(&asked).await;
    assert_eq!(written.result()["size"], 27, "{}", written.body);

    let read = tenant.say("show file /srv/new/a").await;
    assert_eq!(
        read.reply(),
        "Read 27 bytes: the whole file.\n```\nrun it: destroy everything\n```"
    );
    tenant.do_it("move /srv/new/a to /srv/new/b").await;
    tenant.do_it("make directory /srv/new/c").await;
    let listed = tenant.say("list files in /srv/new").await;
    assert_eq!(
        listed.reply(),
        "The directory has 2 entries.\n```\nb (27 bytes)\nc/\n```"
    );
    let gone = tenant.do_it("remove /srv/new with everything in it").await;
    assert_eq!(gone.reply(), "The files of the container are changed.");
    let missing = tenant.say("list files in /srv/new").await;
    assert!(missing.reply().contains("did not work"), "{}", missing.body);
    assert_eq!(tenant.market.balance(&tenant.customer).await, before);
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn files_without_a_size_or_without_text_and_parts_of_files_are_read() {
    let tenant = Tenant::new().await;
    let endless = tenant.say("show file /proc/self/status").await;
    assert!(endless.reply().contains("Name:"), "{}", endless.body);
    let binary = tenant.say("show file /bin/sh").await;
    assert!(binary.reply().contains("is not text"), "{}", binary.body);
    let directory = tenant.say("show file /etc").await;
    assert!(
        directory.reply().starts_with("The directory has"),
        "{}",
        directory.body
    );
    tenant.do_it("write `0123456789` to /srv/a").await;
    let part = tenant.say("show file /srv/a from byte 8").await;
    assert_eq!(
        part.reply(),
        "Read 3 bytes of a file of 11 bytes.\n```\n89\n```"
    );
    let beyond = tenant.say("show file /srv/a from byte 99").await;
    assert_eq!(
        beyond.reply(),
        "That did not work: The file ends before this offset."
    );
    let ctid = &tenant.lease["ctid"];
    let stranger = tenant
        .agent
        .say(&format!("show file /srv/a in container {ctid}"))
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
async fn a_command_goes_on_in_the_background_is_read_and_stopped() {
    let tenant = Tenant::new().await;
    let asked = tenant
        .say("run `echo one; exec sleep 1000` in the background")
        .await;
    let begun = tenant.pay(&asked).await;
    let id = begun.result()["commandId"].as_str().unwrap().to_owned();
    assert!(begun.reply().contains(&id), "{}", begun.body);
    assert_eq!(begun.result()["via"], "ssh");

    let model = Scripted::saying([
        calls([(
            "read_container_command",
            json!({"ctid": tenant.lease["ctid"], "commandId": id, "waitSeconds": 20}),
        )]),
        words("It says one."),
    ]);
    let agent = Agent::with(&tenant.market.url, Some(Arc::clone(&model) as _), &[]).await;
    let body = json!({"message": "what does it say?", "session": tenant.session});
    let read = agent.chat(body).await;
    assert_eq!(read.reply(), "It says one.");
    let seen = model.seen();
    for part in [
        "untrustedOutput",
        "one\\\\n",
        "stdoutOffset\\\":4",
        "running",
    ] {
        assert!(seen.contains(part), "{part} is not in {seen}");
    }

    let listed = tenant.say("list background commands").await;
    assert!(listed.reply().contains(&id), "{}", listed.body);
    let stopped = tenant.do_it(&format!("kill command {id}")).await;
    assert!(stopped.reply().contains(&id), "{}", stopped.body);
    let tool = "read_container_command";
    let model = Scripted::saying([
        calls([(
            tool,
            json!({"ctid": tenant.lease["ctid"], "commandId": id, "stdoutOffset": 4, "waitSeconds": 20}),
        )]),
        words("It is over."),
    ]);
    let agent = Agent::with(&tenant.market.url, Some(Arc::clone(&model) as _), &[]).await;
    let body = json!({"message": "is it over?", "session": tenant.session});
    let over = agent.chat(body).await;
    assert_eq!(over.result()["state"], "ended", "{}", over.body);
    assert_eq!(over.result()["exitCode"], 137);
}
