qvm:
  sys-usb:
    name: sys-net
