//! proxmox-api
