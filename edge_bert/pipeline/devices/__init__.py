"""What people do with devices: an emulated phone, a profile from a connected one."""
