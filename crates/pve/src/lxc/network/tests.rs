use proptest::prelude::*;

use super::*;

#[test]
fn a_network_is_written_as_proxmox_reads_it() {
    let mut network = Network::dhcp("vmbr1");
    network.firewall = true;
    network.vlan = Some(7);
    network.rate = Rate::from_mb_per_s(10.0);
    assert_eq!(
        network.to_property(),
        "name=eth0,bridge=vmbr1,ip=dhcp,firewall=1,tag=7,rate=10"
    );
    network.ip = IpSetting::Static {
        address: "fd00::5".parse().unwrap(),
        prefix: 64,
        gateway: Some("fd00::1".parse().unwrap()),
    };
    network.link_down = true;
    network.hwaddr = Some("BC:24:11:00:00:01".into());
    assert_eq!(
        network.to_property(),
        "name=eth0,bridge=vmbr1,hwaddr=BC:24:11:00:00:01,ip6=fd00::5/64,gw6=fd00::1,\
         firewall=1,tag=7,rate=10,link_down=1"
    );
}

#[test]
fn a_rate_below_a_megabyte_is_written_without_an_exponent() {
    for (megabytes, text) in [
        (0.1, "0.1"),
        (12.5, "12.5"),
        (1e-7, "0.0000001"),
        (1e9, "1000000000"),
    ] {
        let rate = Rate::from_mb_per_s(megabytes).unwrap();
        assert_eq!(rate.to_string(), text);
    }
    assert_eq!(Rate::from_mb_per_s(0.1).unwrap().bytes_per_s(), 104_857);
    let rate = Rate::from_bytes_per_s(65_536).unwrap();
    assert_eq!(
        (rate.to_string().as_str(), rate.bytes_per_s()),
        ("0.0625", 65_536)
    );
    for no_limit in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(Rate::from_mb_per_s(no_limit), None);
    }
    assert_eq!(Rate::from_bytes_per_s(0), None);
}

#[test]
fn what_is_not_known_of_a_stored_network_is_kept() {
    let stored = "name=wan,bridge=vmbr0,firewall=on,gw6=fd00::1,host-managed=1,\
                  hwaddr=BC:24:11:AA:BB:CC,ip=10.0.0.5/24,ip6=auto,mtu=1400,rate=0,type=veth";
    let mut network: Network = stored.parse().unwrap();
    assert_eq!(network.hwaddr.as_deref(), Some("BC:24:11:AA:BB:CC"));
    assert!(network.firewall && network.rate.is_none());
    network.link_down = true;
    assert_eq!(
        network.to_property(),
        "name=wan,bridge=vmbr0,hwaddr=BC:24:11:AA:BB:CC,ip=10.0.0.5/24,firewall=1,link_down=1,\
         gw6=fd00::1,host-managed=1,ip6=auto,mtu=1400,type=veth"
    );
}

#[test]
fn a_network_that_cannot_be_written_again_is_not_read() {
    for (text, part) in [
        ("bridge=vmbr0,ip=dhcp", "name"),
        ("name=eth0,ip=dhcp", "bridge"),
        ("name=eth0,bridge=vmbr0,ip=10.0.0.5", "ip"),
        ("name=eth0,bridge=vmbr0,ip=10.0.0.5/33", "ip"),
        ("name=eth0,bridge=vmbr0,ip=fd00::1/64", "ip"),
        ("name=eth0,bridge=vmbr0,ip=10.0.0.5/24,gw=x", "gw"),
        ("name=eth0,bridge=vmbr0,rate=fast", "rate"),
        ("name=eth0,bridge=vmbr0,rate=-1", "rate"),
        ("name=eth0,bridge=vmbr0,tag=70000", "tag"),
        ("name=eth0,bridge=vmbr0,firewall=maybe", "firewall"),
        ("name=eth0,bridge=vmbr0,name=eth1", "name"),
        ("name=eth0,bridge=vmbr0,hwaddr=", "hwaddr"),
        ("name=eth0,bridge=vmbr0,veth", "veth"),
    ] {
        let error = text.parse::<Network>().unwrap_err();
        assert_eq!(error.part, part, "{text}");
    }
}

fn setting() -> impl Strategy<Value = IpSetting> {
    let fixed = |six: bool, address: u128, prefix: u8, gateway: Option<u128>| {
        let ip = move |bits: u128| match six {
            true => IpAddr::from(bits.to_be_bytes()),
            false => IpAddr::from((bits as u32).to_be_bytes()),
        };
        IpSetting::Static {
            address: ip(address),
            prefix: if six { prefix } else { prefix % 33 },
            gateway: gateway.map(ip),
        }
    };
    prop_oneof![
        Just(IpSetting::Dhcp),
        Just(IpSetting::Manual),
        Just(IpSetting::Unset),
        (
            any::<bool>(),
            any::<u128>(),
            0_u8..=128,
            any::<Option<u128>>()
        )
            .prop_map(move |(six, address, prefix, gateway)| {
                fixed(six, address, prefix, gateway)
            }),
    ]
}

proptest! {
    #[test]
    fn a_network_is_read_as_it_was_written(
        ip in setting(),
        bridge in "[a-z][a-z0-9]{1,7}",
        switches: (bool, bool),
        vlan in prop::option::of(1_u16..4095),
        rate in prop::option::of(1e-6_f64..1e6),
        hwaddr in prop::option::of("BC:24:11:[0-9A-F]{2}:[0-9A-F]{2}:[0-9A-F]{2}"),
    ) {
        let network = Network {
            firewall: switches.0,
            link_down: switches.1,
            vlan,
            rate: rate.and_then(Rate::from_mb_per_s),
            hwaddr,
            ..Network::new(bridge, ip)
        };
        let text = network.to_property();
        prop_assert!(!text.contains("rate=1e"), "{text}");
        prop_assert_eq!(text.parse::<Network>().unwrap(), network);
    }

    #[test]
    fn no_text_upsets_the_reader(text in "[a-z0-9=,./: ]{0,60}") {
        if let Ok(network) = text.parse::<Network>() {
            let again = network.to_property();
            prop_assert_eq!(again.parse::<Network>().unwrap(), network);
        }
    }
}
