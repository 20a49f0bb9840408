package oci

import "encoding/json"

// Platform says what an image runs on, as an index tells its readers.
type Platform struct {
	Architecture string          `json:"architecture"`
	OS           string          `json:"os"`
	OSVersion    string          `json:"os.version,omitempty"`
	OSFeatures   json.RawMessage `json:"os.features,omitempty"` // a list of texts
	Variant      string          `json:"variant,omitempty"`
	Features     json.RawMessage `json:"features,omitempty"` // likewise
}

// Descriptor names content: what it is, its digest and its size. Embedded data is not kept.
type Descriptor struct {
	MediaType    string          `json:"mediaType"`
	Digest       Digest          `json:"digest"`
	Size         int64           `json:"size"`           // bytes
	URLs         json.RawMessage `json:"urls,omitempty"` // a list of texts, nil if it is empty
	Annotations  Annotations     `json:"annotations,omitempty"`
	Platform     *Platform       `json:"platform,omitempty"`
	ArtifactType string          `json:"artifactType,omitempty"`
}
