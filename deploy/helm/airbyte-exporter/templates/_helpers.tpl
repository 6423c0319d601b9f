{{- define "airbyte-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride }}
{{- end }}

{{- define "airbyte-exporter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if not (regexMatch "^[a-z]" .Release.Name) }}
{{- fail (printf "a Service's name begins with a letter: set fullnameOverride, or call the release other than %s" .Release.Name) }}
{{- else if contains (include "airbyte-exporter.name" .) .Release.Name }}
{{- .Release.Name }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "airbyte-exporter.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "airbyte-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "airbyte-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "airbyte-exporter.testLabels" -}}
app.kubernetes.io/name: {{ include "airbyte-exporter.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "airbyte-exporter.labels" -}}
{{ include "airbyte-exporter.selectorLabels" . }}
app.kubernetes.io/part-of: airbyte
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "airbyte-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "airbyte-exporter.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "airbyte-exporter.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "airbyte-exporter.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
  scheme: {{ .scheme }}
{{- end }}
