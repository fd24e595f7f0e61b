{% from 'qvm/template.jinja' import load -%}
{% set defaults %}
name: vault
present: [{label: black}]
prefs: [{netvm: ''}]
{% endset -%}
{{ load(defaults) }}
