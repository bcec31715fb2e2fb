"""A container's whole life through proxmoxer, by API token and by ticket, against whatever the environment points to.

Variables: PVE_HOST (host:port), PVE_CA_FILE, PVE_TOKEN_ID, PVE_TOKEN_SECRET, PVE_USER, PVE_PASSWORD, PVE_NODE, PVE_POOL.
Ends with status 0 and one line per part that was done; any difference from what Proxmox answers is an exception.
"""

import os

from proxmoxer import AuthenticationError, ProxmoxAPI
from proxmoxer.tools import Tasks

from common import TEMPLATE, done, refused, until

HOST = os.environ["PVE_HOST"]
CA_FILE = os.environ["PVE_CA_FILE"]
NODE = os.environ.get("PVE_NODE", "pve")
POOL = os.environ.get("PVE_POOL", "infra402")


def by_token():
    user, name = os.environ["PVE_TOKEN_ID"].split("!")
    return ProxmoxAPI(
        HOST,
        user=user,
        token_name=name,
        token_value=os.environ["PVE_TOKEN_SECRET"],
        verify_ssl=CA_FILE,
    )


def by_ticket():
    return ProxmoxAPI(
        HOST,
        user=os.environ["PVE_USER"],
        password=os.environ["PVE_PASSWORD"],
        verify_ssl=CA_FILE,
    )


def address(container):
    def found():
        for interface in container.interfaces.get() or []:
            if interface["name"] != "lo" and "inet" in interface:
                return interface["inet"]
        return None

    return until("an address", found)


def life(api):
    vmid = int(api.cluster.nextid.get())
    node = api.nodes(NODE)
    created = node.lxc.create(
        vmid=vmid,
        ostemplate=TEMPLATE,
        hostname="by-proxmoxer",
        cores=1,
        memory=512,
        swap=0,
        rootfs="local-lvm:4",
        net0="name=eth0,bridge=vmbr0,ip=dhcp",
        unprivileged=1,
        features="nesting=1",
        cmode="shell",
        pool=POOL,
        description="made by proxmoxer",
    )
    done(api, created)
    log = Tasks.decode_log(node.tasks(created).log.get())
    assert "extracting archive" in log and log.endswith("TASK OK"), log

    container = node.lxc(vmid)
    assert container.interfaces.get() is None
    done(api, container.status.start.post())
    refused(lambda: container.status.start.post(), 500, f"CT {vmid} already running")
    current = container.status.current.get()
    assert current["status"] == "running" and current["name"] == "by-proxmoxer", current
    config = container.config.get()
    assert config["cmode"] == "shell" and config["description"] == "made by proxmoxer\n", config
    assert vmid in [int(one["vmid"]) for one in node.lxc.get()]
    assert vmid in [one["vmid"] for one in api.cluster.resources.get(type="vm")]
    assert "/" in address(container)
    container.config.put(memory=1024)
    assert container.config.get()["memory"] == 1024

    refused(lambda: container.delete(), 500, f"unable to destroy CT {vmid} - container is running")
    done(api, container.status.shutdown.post(timeout=20, forceStop=1))
    refused(lambda: container.status.stop.post(), 500, f"CT {vmid} not running")
    done(api, container.delete(purge=1))
    assert vmid not in [int(one["vmid"]) for one in node.lxc.get()]
    return vmid


def refusals(api):
    node = api.nodes(NODE)
    refused(
        lambda: node.lxc.create(vmid=99, ostemplate=TEMPLATE, hostname="a_b", nonsense=1),
        400,
        "Parameter verification failed.",
        {
            "vmid": "value must have a minimum value of 100",
            "hostname": "invalid format - value does not look like a valid DNS name\n",
            "nonsense": "property is not defined in schema and the schema does not allow additional properties",
        },
    )
    refused(lambda: node.lxc(4000).exec.post(), 501, f"Method 'POST /nodes/{NODE}/lxc/4000/exec' not implemented")
    refused(lambda: node.tasks("UPID:x").status.get(), 400, "Parameter verification failed.", {"upid": "unable to parse worker upid"})


def main():
    token = by_token()
    assert token.version.get()["release"]
    print("token life", life(token))
    refusals(token)
    refused(lambda: token.nodes(NODE).lxc(4000).config.get(), 403, "Permission check failed (/vms/4000, VM.Audit)")
    refused(lambda: token.access.ticket.post(username="a@pve", password="b"), 403, "not available with API token")
    print("token refusals")

    ticket = by_ticket()
    print("ticket life", life(ticket))
    refusals(ticket)
    assert [pool["poolid"] for pool in ticket.pools.get()] == [POOL]
    print("ticket refusals")

    os.environ["PVE_PASSWORD"] += "x"
    try:
        by_ticket()
    except AuthenticationError:
        print("wrong password refused")
    else:
        raise AssertionError("a wrong password was accepted")


main()
