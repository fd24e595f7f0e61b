qvm:
  sys-firewall:
    disposable: true
