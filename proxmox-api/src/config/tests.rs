use service::env::documents::keep;

use super::*;

const ADDRESS: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

fn least() -> Vec<(&'static str, &'static str)> {
    vec![
        ("ADDRESS", ADDRESS),
        ("FACILITATOR", "demo"),
        ("PVE_HOST", "https://pve.example.org:8006"),
        ("PVE_TOKEN_ID", "infra402@pve!svc"),
        ("PVE_TOKEN_SECRET", "00000000-0000-0000-0000-000000000000"),
    ]
}

fn with(more: &[(&'static str, &'static str)]) -> Result<Config, Problems> {
    let mut all = least();
    all.extend(more);
    Config::from_env(Env::from_map(all))
}

#[test]
fn every_problem_is_named_at_once() {
    let wrong = [
        ("ADDRESS", "0x12"),
        ("NETWORK", "dogecoin"),
        ("PORT", "ninety"),
        ("LEASE_GRACE_MINUTES", "-1"),
        ("PUBLIC_BASE_URL", "lease.example.org"),
        ("ALLOWED_ORIGINS", "https://a.example/path"),
        ("FACILITATOR", "ftp://x"),
        ("MAX_CORES", "0"),
        ("PRICE_BASE", "-5"),
        ("PVE_HOST", "192.168.1.100:8006"),
        ("PVE_TOKEN_ID", "root"),
        ("PVE_NODE", "https://pve"),
        ("PVE_OS_TEMPLATE", "debian"),
        ("PVE_VMID_RANGE", "9-1"),
        ("PVE_FINGERPRINT", "aa:bb"),
        ("PVE_CONSOLE_USER", "someone@pve"),
        ("SERVICES_SECRET", "too short"),
        ("CONFIRMATIONS", "0"),
        ("GAS_LIMIT_CONTRACT", "1"),
        ("GAS_COIN_USD", "cheap"),
    ];
    let problems = Config::from_env(Env::from_map(wrong))
        .unwrap_err()
        .to_string();
    let missing = ["PVE_TOKEN_SECRET", "PVE_CONSOLE_PASSWORD"];
    for variable in wrong.map(|(name, _)| name).into_iter().chain(missing) {
        // The user is there; its password is what is missing.
        if variable != "PVE_CONSOLE_USER" {
            assert!(
                problems.contains(variable),
                "{variable} is not in:\n{problems}"
            );
        }
    }
}

#[test]
fn a_payee_and_a_token_are_all_that_has_to_be_set() {
    let config = with(&[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:4021");
    assert_eq!(config.public_base_url, "http://127.0.0.1:4021");
    assert_eq!(config.payments.network.caip2, "eip155:84532");
    assert_eq!(config.payments.pay_to.to_checksum(None), ADDRESS);
    assert_eq!(config.grace_seconds, 86_400);
    assert_eq!(config.proxmox.vmids, 40_200..=49_999);
    assert!(Config::from_env(Env::from_map::<&str, &str>([])).is_err());
}

#[test]
fn the_facilitator_for_tests_is_the_default_and_never_serves_real_money() {
    let mut all = least();
    all.retain(|(name, _)| *name != "FACILITATOR");
    let default = Config::from_env(Env::from_map(all.clone())).unwrap();
    let FacilitatorChoice::Remote(url) = default.payments.facilitator else {
        panic!("a URL")
    };
    assert_eq!(url.as_str(), "https://x402.org/facilitator");
    all.push(("NETWORK", "base"));
    assert!(Config::from_env(Env::from_map(all)).is_err());
    assert!(with(&[("NETWORK", "base")]).is_err(), "nor does play money");
}

#[test]
fn confirmations_and_the_price_of_gas_are_the_networks_unless_they_are_set() {
    let remote = ("FACILITATOR", "https://facilitator.example.org");
    let read = |more: &[(&'static str, &'static str)]| {
        let payments = with(&[&[remote], more].concat()).unwrap().payments;
        (payments.confirmations, payments.gas)
    };
    let (confirmations, gas) = read(&[("NETWORK", "base")]);
    assert_eq!((confirmations, gas.coin_price), (1, 5_000_000_000));
    assert_eq!((gas.limit_ordinary, gas.limit_contract), (150_000, 300_000));
    assert_eq!(gas.max_fee_per_gas, 200_000_000_000);
    assert_eq!(read(&[("NETWORK", "eip155:137")]).0, 3);
    assert_eq!(read(&[]).1.coin_price, 0);
    let (confirmations, gas) = read(&[
        ("NETWORK", "base"),
        ("CONFIRMATIONS", "7"),
        ("GAS_COIN_USD", "0"),
        ("GAS_MAX_FEE_GWEI", "3"),
        ("MIN_DEPLOY_PRICE", "9"),
    ]);
    assert_eq!((confirmations, gas.coin_price), (7, 0));
    assert_eq!(gas.max_fee_per_gas, 3_000_000_000);
    assert_eq!(gas.min_deploy_price, 9);
}

#[test]
fn the_network_for_tenants_is_read_and_checked() {
    let read =
        |more: &[(&'static str, &'static str)]| with(more).map(|config| config.proxmox.network);
    let none = read(&[]).unwrap();
    assert_eq!(
        (none.subnet, none.gateway, none.fence),
        (None, None, FencePolicy::Warn)
    );
    let own = read(&[
        ("PVE_NETWORK", "10.64.0.0/28"),
        ("GUEST_SSH_SOURCE", "192.168.1.20"),
    ])
    .unwrap();
    assert_eq!(own.gateway.unwrap().to_string(), "10.64.0.1");
    assert_eq!(own.fence, FencePolicy::Required);
    assert_eq!(own.ssh_source.unwrap().to_string(), "192.168.1.20/32");
    let last = read(&[
        ("PVE_NETWORK", "10.64.0.0/28"),
        ("PVE_GATEWAY", "10.64.0.14"),
        ("PVE_FENCE", "warn"),
    ]);
    let last = last.unwrap();
    assert_eq!(last.gateway.unwrap().to_string(), "10.64.0.14");
    assert_eq!(last.fence, FencePolicy::Warn);
    for (name, value) in [
        ("PVE_NETWORK", "10.64.0.0/29"),
        ("PVE_NETWORK", "10.64.0.5/20"),
        ("PVE_NETWORK", "10.64.0.0"),
        ("PVE_NETWORK", "fd00::/64"),
        ("PVE_GATEWAY", "10.64.0.1"),
        ("PVE_NAMESERVERS", "dns.example"),
        ("PVE_VLAN", "4095"),
        ("PVE_RATE_MBIT_PER_CORE", "-1"),
        ("PVE_SECURITY_GROUP", "a name that is much too long"),
        ("PVE_FENCE", "perhaps"),
        ("GUEST_SSH_SOURCE", "here"),
    ] {
        let problems = read(&[(name, value)]).unwrap_err().to_string();
        assert!(problems.contains(name), "{name}={value}: {problems}");
    }
    for gateway in ["10.64.0.0", "10.64.0.15", "10.65.0.1"] {
        let outside = read(&[("PVE_NETWORK", "10.64.0.0/28"), ("PVE_GATEWAY", gateway)]);
        assert!(
            outside.unwrap_err().to_string().contains("PVE_GATEWAY"),
            "{gateway}"
        );
    }
}

#[test]
fn a_gas_key_is_never_repeated() {
    let key = "0xnothexadecimal";
    let problems = with(&[("FACILITATOR", "onchain"), ("GAS_KEY", key)])
        .unwrap_err()
        .to_string();
    assert!(
        problems.contains("GAS_KEY") && problems.contains("RPC_URL"),
        "{problems}"
    );
    assert!(!problems.contains(key), "{problems}");
}

#[test]
fn the_prototypes_root_password_works_and_is_known_for_what_it_is() {
    let console = with(&[("PVE_ROOT_PASSWORD", "x")])
        .unwrap()
        .proxmox
        .console
        .unwrap();
    assert!(console.is_root && console.user == "root@pam");
    let own = [
        ("PVE_ROOT_PASSWORD", "x"),
        ("PVE_CONSOLE_USER", "c@pve"),
        ("PVE_CONSOLE_PASSWORD", "y"),
    ];
    let console = with(&own).unwrap().proxmox.console.unwrap();
    assert_eq!((console.is_root, console.user.as_str()), (false, "c@pve"));
}

#[test]
fn fractions_of_a_minute_are_taken_for_the_grace_time() {
    assert_eq!(
        with(&[("LEASE_GRACE_MINUTES", "0.05")])
            .unwrap()
            .grace_seconds,
        3
    );
}

#[test]
fn what_is_not_set_is_as_the_contract_has_it() {
    let config = with(&[]).unwrap();
    assert_eq!(config.tariff, Tariff::default());
    assert_eq!(config.limits, Limits::default());
    let own = ["http://localhost:3000", "http://127.0.0.1:3000"];
    assert_eq!(config.allowed_origins, own);
}

#[test]
fn the_documents_list_every_variable() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (example, tables) = (
        root.join(".example.env"),
        root.join("docs/CONFIGURATION.md"),
    );
    keep(
        &example,
        "==== proxmox-api",
        "==== end of proxmox-api",
        &SCHEMA.dotenv(),
    );
    let table = format!("\n{}", SCHEMA.markdown());
    keep(
        &tables,
        "<summary>proxmox-api",
        "</details><!-- proxmox-api -->",
        &table,
    );
}

#[test]
fn the_store_is_a_file_or_a_server_and_its_password_is_never_shown() {
    let shown = |database| format!("{:?}", with(&[("DATABASE", database)]).unwrap().database);
    assert!(shown("/var/lib/x.sqlite").contains("/var/lib/x.sqlite"));
    let server = shown("postgres://lease:s3cret@db.example/infra402");
    assert!(server.contains("db.example/infra402"), "{server}");
    assert!(!server.contains("s3cret"), "{server}");
    for wrong in ["mysql://s3cret@db/x", "postgresql://s3cret@db"] {
        let problems = with(&[("DATABASE", wrong)]).unwrap_err().to_string();
        assert!(problems.contains("DATABASE"), "{problems}");
        assert!(!problems.contains("s3cret"), "{problems}");
    }
}

#[test]
fn what_is_set_in_vain_is_said() {
    let env = Env::from_map([("PVE_CONSOLE_HOST", "https://pve.example:8006")]).for_schema(&SCHEMA);
    let notices = env.notices();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].contains("PUBLIC_BASE_URL"), "{notices:?}");
}
