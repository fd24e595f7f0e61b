{% from 'qvm/template.jinja' import load -%}
{% set disposable = salt['pillar.get']('qvm:sys-usb:disposable', false) -%}
{% set name = salt['pillar.get']('qvm:sys-usb:name', 'sys-usb') -%}
{% if name == 'sys-net' %}
include:
  - qvm.sys-net
{% else %}
include:
  - qvm.default-dispvm
{% set defaults %}
name: sys-usb
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
  - memory: 300
  - maxmem: 0
  - pcidevs: {{ salt['grains.get']('pci_usb_devs', []) | json }}
  - pci_strictreset: false
service:
  - enable: [minimal-usbvm]
  - disable: [network-manager, meminfo-writer, qubes-update-check]
require: [{qvm: default-dvm}]
{% endset -%}
{{ load(defaults) }}
{% endif %}

# Who may use the mouse, the keyboard and the tablet behind it.
/etc/qubes/policy.d/50-config-input.policy:
  file.managed:
    - mode: "0664"
    - makedirs: true
    - contents:
      - "qubes.InputMouse * {{ name }} @adminvm {{ {'ask': 'ask default_target=@adminvm', 'allow': 'allow', 'deny': 'deny'}[salt['pillar.get']('qvm:sys-usb:mouse-action', 'ask')] }}"
      - "qubes.InputKeyboard * {{ name }} @adminvm {{ salt['pillar.get']('qvm:sys-usb:keyboard-action', 'deny') }}"
      - "qubes.InputTablet * {{ name }} @adminvm deny"
    - require:
      - qvm: {{ name }}
