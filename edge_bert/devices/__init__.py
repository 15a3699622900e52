"""Where files are pushed to and commands run: this host, an emulated phone, a phone over adb."""
