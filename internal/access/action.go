package access

// Action is what a request wants to do: the same word in routes, policies, metrics, logs and
// webhooks.
type Action string

// The actions of the distribution specification.
const (
	GetAPIVersion  Action = "get-api-version"
	GetManifest    Action = "get-manifest"
	PutManifest    Action = "put-manifest"
	DeleteManifest Action = "delete-manifest"
	GetBlob        Action = "get-blob"
	DeleteBlob     Action = "delete-blob"
	StartUpload    Action = "start-upload"
	MountBlob      Action = "mount-blob"
	GetUpload      Action = "get-upload"
	UpdateUpload   Action = "update-upload"
	CompleteUpload Action = "complete-upload"
	CancelUpload   Action = "cancel-upload"
	ListTags       Action = "list-tags"
	GetReferrers   Action = "get-referrers"
	ListCatalog    Action = "list-catalog"
)

// The actions of the extension API under /v2/_ext/.
const (
	ListRepositories Action = "list-repositories"
	ListNamespaces   Action = "list-namespaces"
	ListRevisions    Action = "list-revisions"
	ListUploads      Action = "list-uploads"
	ListTrash        Action = "list-trash"
	ListHistory      Action = "list-history"
	Search           Action = "search"
	GetReport        Action = "get-report"
	GetSelf          Action = "get-self"
	Restore          Action = "restore"
)

// The actions outside the registry's API.
const (
	GetToken      Action = "get-token"
	Healthz       Action = "healthz"
	Readyz        Action = "readyz"
	Metrics       Action = "metrics"
	UIAsset       Action = "ui-asset"
	UIPage        Action = "ui-page"
	UISignIn      Action = "ui-sign-in"
	Root          Action = "root"
	ACMEChallenge Action = "acme-challenge"
	Pprof         Action = "pprof"
)
