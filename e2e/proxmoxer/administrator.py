"""An administrator's day through proxmoxer, as root@pam, against a cluster of two nodes.

Variables: PVE_HOST (host:port), PVE_CA_FILE, PVE_PASSWORD, PVE_NODE, PVE_OTHER_NODE, PVE_POOL.
Ends with status 0 and one line per part that was done; any difference from what Proxmox answers is an exception.
"""

import os
import re

from proxmoxer import ProxmoxAPI
from proxmoxer.tools import Tasks

from common import TEMPLATE, done, refused, until

NODE = os.environ.get("PVE_NODE", "pve")
OTHER = os.environ.get("PVE_OTHER_NODE", "pve2")
POOL = os.environ.get("PVE_POOL", "infra402")


def row(api, vmid):
    rows = api.cluster.resources.get(type="vm")
    return next((one for one in rows if one["vmid"] == vmid), None)


def create(api, vmid, **more):
    created = api.nodes(NODE).lxc.create(
        vmid=vmid,
        ostemplate=TEMPLATE,
        hostname="leased",
        memory=512,
        rootfs="local-lvm:4",
        net0="name=eth0,bridge=vmbr0,ip=dhcp",
        unprivileged=1,
        features="nesting=1",
        pool=POOL,
        description="marker",
        **more,
    )
    done(api, created)
    return api.nodes(NODE).lxc(vmid)


def migration(api):
    container = create(api, 100, start=1)
    until("running", lambda: container.status.current.get()["status"] == "running")
    refused(
        lambda: container.migrate.post(target=OTHER),
        500,
        "can't migrate running container without --online or --restart",
    )
    refused(
        lambda: container.migrate.post(target=NODE),
        400,
        "Parameter verification failed.",
        {"target": "target is local node."},
    )
    refused(lambda: container.migrate.post(target="nowhere"), 500, "no such cluster node 'nowhere'")
    live = container.migrate.post(target=OTHER, online=1)
    done(api, live, "migration aborted")
    log = Tasks.decode_log(api.nodes(NODE).tasks(live).log.get())
    assert "lxc live migration is currently not implemented" in log, log
    done(api, container.migrate.post(target=OTHER, restart=1))
    refused(lambda: container.config.get(), 500, f"Configuration file 'nodes/{NODE}/lxc/100.conf' does not exist")
    there = api.nodes(OTHER).lxc(100)
    until("running again", lambda: there.status.current.get()["status"] == "running")
    assert row(api, 100)["node"] == OTHER
    done(api, there.status.stop.post())
    done(api, there.migrate.post(target=NODE))
    return container


def copies(api, container):
    done(api, container.clone.post(newid=200, pool=POOL, hostname="twin"))
    twin = api.nodes(NODE).lxc(200).config.get()
    assert twin["description"] == "marker\n" and twin["hostname"] == "twin", twin
    assert twin["net0"] != container.config.get()["net0"]
    assert row(api, 200)["pool"] == POOL

    backup = api.nodes(NODE).vzdump.post(vmid=100, storage="local", mode="snapshot")
    until("the lock", lambda: row(api, 100).get("lock") == "backup")
    refused(lambda: container.config.put(memory=600), 500, "CT is locked (backup)")
    refused(lambda: container.delete(), 500, "CT is locked (backup)")
    done(api, container.status.start.post(), "CT is locked (backup)")
    done(api, backup)
    log = Tasks.decode_log(api.nodes(NODE).tasks(backup).log.get())
    name = re.search(r"(vzdump-lxc-100-[\d_-]+\.tar\.zst)", log).group(1)
    restore = dict(ostemplate=f"local:backup/{name}", restore=1, storage="local-lvm")
    refused(lambda: api.nodes(NODE).lxc.create(vmid=100, **restore), 500, f"CT 100 already exists on node '{NODE}'")
    done(api, api.nodes(NODE).lxc.create(vmid=100, force=1, **restore))
    done(api, api.nodes(NODE).lxc.create(vmid=201, pool=POOL, **restore))
    assert api.nodes(NODE).lxc(201).config.get()["description"] == "marker\n"

    done(api, container.snapshot.post(snapname="before"))
    assert [one["name"] for one in container.snapshot.get()] == ["before", "current"]
    done(api, container.snapshot("before").delete())


def pools(api):
    refused(lambda: api.pools.post(poolid="a/b"), 500, "parent 'a' of pool 'a/b' does not exist")
    api.pools.post(poolid="a")
    api.pools.post(poolid="a/b")
    refused(
        lambda: api.pools.put(poolid="a/b", vms="200"),
        500,
        f"VM 200 belongs already to pool '{POOL}' and 'allow-move' is not set",
    )
    api.pools.put(**{"poolid": "a/b", "vms": "200", "allow-move": 1})
    assert row(api, 200)["pool"] == "a/b"
    api.pools.put(poolid="a/b", vms="200", delete=1)
    assert "pool" not in row(api, 200)
    refused(lambda: api.pools.put(poolid="a/b", vms="200", delete=1), 500, "VM 200 is not a pool member")
    refused(lambda: api.pools.get(poolid="none"), 500, "pool 'none' does not exist")


def configuration(api, container):
    container.config.put(protection=1, onboot=1, description="moved to rack 2\nmarker")
    assert container.config.get()["description"] == "moved to rack 2\nmarker\n"
    refused(lambda: container.delete(), 500, "can't remove CT 100 - protection mode enabled")
    container.config.put(protection=0, lock="disk")
    refused(lambda: container.config.put(memory=600), 500, "CT is locked (disk)")
    refused(lambda: container.config.put(delete="lock"), 500, "CT is locked (disk)")
    refused(
        lambda: api.nodes(NODE).lxc(201).config.put(unprivileged=0),
        500,
        "unable to modify read-only option: 'unprivileged'",
    )
    assert api.nodes(NODE).lxc(201).template.post() is None
    until("a template", lambda: row(api, 201).get("template") == 1)
    done(api, api.nodes(NODE).lxc(201).status.start.post(), "you can't start a CT if it's a template")


def managed(api):
    container = api.nodes(NODE).lxc(200)
    api.cluster.ha.resources.post(sid="ct:200", state="stopped")
    done(api, container.status.start.post())
    until("running", lambda: container.status.current.get()["status"] == "running")
    ha = container.status.current.get()["ha"]
    assert ha["managed"] == 1, ha
    until("the state", lambda: row(api, 200)["hastate"] == "started")
    assert Tasks.decode_upid(container.status.shutdown.post(forceStop=1))["type"] == "hastop"
    until("stopped", lambda: container.status.current.get()["status"] == "stopped")
    refused(
        lambda: container.delete(),
        500,
        "unable to remove CT 200 - used in HA resources and purge parameter not set.",
    )
    done(api, container.delete(purge=1))
    assert api.cluster.ha.resources.get() == []


def reboot(api):
    create(api, 300, onboot=1)
    done(api, api.nodes(NODE).lxc(300).migrate.post(target=OTHER))
    api.nodes(OTHER).status.post(command="reboot")
    until("away", lambda: row(api, 300)["status"] == "unknown")
    refused(lambda: api.nodes(OTHER).status.get(), 595, "No route to host")
    until("back", lambda: row(api, 300)["status"] == "running")
    assert api.nodes(OTHER).status.get()["uptime"] < 30


def missing(api):
    ghost = api.nodes(NODE).lxc(777)
    done(api, ghost.status.start.post(), f"Configuration file 'nodes/{NODE}/lxc/777.conf' does not exist")
    refused(lambda: ghost.status.stop.post(), 500, "CT 777 not running")
    refused(lambda: ghost.status.shutdown.post(), 500, "CT 777 not running")


def main():
    api = ProxmoxAPI(
        os.environ["PVE_HOST"],
        user="root@pam",
        password=os.environ["PVE_PASSWORD"],
        verify_ssl=os.environ["PVE_CA_FILE"],
    )
    container = migration(api)
    print("migration")
    copies(api, container)
    print("clone, backup, restore, snapshot")
    pools(api)
    print("pools")
    configuration(api, container)
    print("configuration")
    managed(api)
    print("high availability")
    reboot(api)
    print("reboot")
    missing(api)
    print("missing")


main()
