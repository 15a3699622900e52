"""The emulated phone: ARM64 programs under QEMU, and one that answers adb."""
