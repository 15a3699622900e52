"""Actions on devices: run an emulated phone, write a profile of a connected one."""
