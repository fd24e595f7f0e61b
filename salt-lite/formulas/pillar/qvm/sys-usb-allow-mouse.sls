qvm:
  sys-usb:
    mouse-action: allow
