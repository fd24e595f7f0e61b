qvm:
  sys-usb:
    keyboard-action: allow
