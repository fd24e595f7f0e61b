qvm:
  sys-net:
    disposable: true
