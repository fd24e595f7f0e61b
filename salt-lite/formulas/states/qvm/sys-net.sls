{% from 'qvm/template.jinja' import load -%}
{% set disposable = salt['pillar.get']('qvm:sys-net:disposable', false) -%}
include:
  - qvm.default-dispvm
{% set defaults %}
name: sys-net
present:
  - label: red
  - mem: 300
  - flags: [net]
{% if disposable %}
  - class: DispVM
  - template: default-dvm
{% endif %}
prefs:
  - label: red
  - netvm: ''
  - virt_mode: hvm
  - autostart: true
  - provides-network: true
  - memory: 300
  - maxmem: 0
  - pcidevs: {{ salt['grains.get']('pci_net_devs', []) | json }}
service:
  - enable: [clocksync, minimal-netvm]
  - disable: [meminfo-writer, qubes-update-check]
features:
  - enable: [servicevm]
require: [{qvm: default-dvm}]
{% endset -%}
{{ load(defaults) }}
