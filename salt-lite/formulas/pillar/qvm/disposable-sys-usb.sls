qvm:
  sys-usb:
    disposable: true
