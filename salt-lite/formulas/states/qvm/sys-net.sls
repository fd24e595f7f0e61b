{% from 'qvm/template.jinja' import load -%}
{% set disposable = salt['pillar.get']('qvm:sys-net:disposable', false) -%}
{# One qube for both, where the pillar says so. -#}
{% set with_usb = salt['pillar.get']('qvm:sys-usb:name', 'sys-usb') == 'sys-net' -%}
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
  - pcidevs: {{ (salt['grains.get']('pci_net_devs', []) + (salt['grains.get']('pci_usb_devs', []) if with_usb else [])) | json }}
{% if with_usb %}
  - pci_strictreset: false
{% endif %}
service:
  - enable: [clocksync, minimal-netvm{{ ', minimal-usbvm' if with_usb else '' }}]
  - disable: [meminfo-writer, qubes-update-check]
features:
  - enable: [servicevm]
require: [{qvm: default-dvm}]
{% endset -%}
{{ load(defaults) }}
