package policy

import (
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/sreg-project/sreg/internal/access"
)

// The types of words that may be absent.
var (
	textOrNull   = types.NewNullableType(types.StringType)
	numberOrNull = types.NewNullableType(types.IntType)
	texts        = types.NewListType(types.StringType)
)

// The words of a rule about access.
var (
	certificateWords = newObjectType("identity.certificate",
		listField("common_names", "the CN parts of the subject", func(c *access.Certificate) []string { return c.CommonNames }),
		listField("organizations", "the O parts of the subject", func(c *access.Certificate) []string { return c.Organizations }),
		listField("dns_names", "the names of hosts", func(c *access.Certificate) []string { return c.DNSNames }),
		listField("emails", "the mail addresses", func(c *access.Certificate) []string { return c.Emails }),
		listField("uris", "the URIs, as SPIFFE uses them", func(c *access.Certificate) []string { return c.URIs }),
		listField("ips", "the addresses", func(c *access.Certificate) []string { return c.IPs }),
		textField("serial", "the serial number in lower-case hexadecimal", func(c *access.Certificate) string { return c.Serial }),
		textField("fingerprint", "the SHA-256 of the certificate in lower-case hexadecimal", func(c *access.Certificate) string { return c.Fingerprint }),
	)
	oidcWords = newObjectType("identity.oidc",
		field{"provider_name", types.StringType, "the provider's name in the config", from(func(o *access.OIDC) ref.Val { return types.String(o.Provider) })},
		textField("subject", "the claim sub", func(o *access.OIDC) string { return o.Subject }),
		field{
			"claims", types.NewMapType(types.StringType, types.DynType), "all claims as they came; one that is not there is an error",
			from(func(o *access.OIDC) ref.Val {
				return types.NewStringInterfaceMap(types.DefaultTypeAdapter, o.Claims)
			}),
		},
	)
	identityWords = newObjectType("identity",
		textField("id", "names the sign-in for good: a user's name, or provider/subject of a token", func(i *access.Identity) string { return i.ID }),
		textField("username", "the user's name, or what the provider's username_claim holds", func(i *access.Identity) string { return i.Username }),
		textField("client_ip", "the client's address", (*access.Identity).Client),
		listField("groups", "the user's groups, or what the provider's groups_claim holds", func(i *access.Identity) []string { return i.Groups }),
		field{
			"certificate", certificateWords.typ, "the verified client certificate; always there, with empty lists without one",
			from(func(i *access.Identity) ref.Val { return newObject(certificateWords, &i.Certificate) }),
		},
		field{"oidc", oidcWords.typ, "the accepted OIDC token; null without one", from(oidcOf)},
	)
	requestWords = newObjectType("request",
		field{"action", types.StringType, "what is asked for, such as get-manifest", from(func(q *Question) ref.Val { return types.String(q.Request.Action) })},
		textField("namespace", "the image's name, such as team/app", func(q *Question) string { return q.Request.Namespace.String() }),
		textField("reference", "the tag or digest of the manifest in the path", func(q *Question) string { return q.Request.Reference.String() }),
		textField("digest", "the digest of the blob or subject in the path", func(q *Question) string { return q.Request.Digest.String() }),
		field{"tags", texts, "the tags that a push writes or a delete removes, also those that go with the manifest which is deleted by its digest", from(tagsOf)},
		textField("from", "the namespace that a mount takes its blob from", func(q *Question) string { return q.Request.From.String() }),
		textField("session_id", "the upload in the path", func(q *Question) string { return q.Request.SessionID }),
		textField("artifact_type", "which referrers are asked for", func(q *Question) string { return q.Request.ArtifactType }),
		field{"n", numberOrNull, "the size of the page asked for", from(pageSize)},
		textField("last", "the name after which the page begins", func(q *Question) string { return q.Request.Last }),
	)
)

// The words of a rule about what is kept.
var imageWords = newObjectType("image",
	textField("tag", "the tag; null for what has none", func(i *Image) string { return i.Tag }),
	numberField("pushed_at", "when it was pushed, in seconds since the epoch", func(i *Image) int64 { return i.PushedAt }),
	numberField("last_pulled_at", "when it was pulled last, in seconds since the epoch; 0 = never", func(i *Image) int64 { return i.LastPulledAt }),
	numberField("size", "the bytes of the manifest and of all that it names", func(i *Image) int64 { return i.Size }),
	textField("media_type", "the media type of the manifest", func(i *Image) string { return i.MediaType }),
	listField("platforms", "the platforms of an index, such as linux/amd64", func(i *Image) []string { return i.Platforms }),
	field{
		"annotations", types.NewMapType(types.StringType, types.StringType), "the annotations of the manifest",
		from(func(i *Image) ref.Val { return types.NewStringStringMap(types.DefaultTypeAdapter, i.Annotations) }),
	},
)

// from makes the function of a field out of one that takes the type of the object's source.
func from[T any](get func(*T) ref.Val) func(any) ref.Val {
	return func(source any) ref.Val { return get(source.(*T)) }
}

// textField is a word that is null when its text is empty.
func textField[T any](name, doc string, get func(*T) string) field {
	return field{name, textOrNull, doc, from(func(source *T) ref.Val {
		if text := get(source); text != "" {
			return types.String(text)
		}
		return types.NullValue
	})}
}

func numberField[T any](name, doc string, get func(*T) int64) field {
	return field{name, types.IntType, doc, from(func(source *T) ref.Val { return types.Int(get(source)) })}
}

// listField is a list that is always there.
func listField[T any](name, doc string, get func(*T) []string) field {
	return field{name, texts, doc, from(func(source *T) ref.Val {
		return types.NewStringList(types.DefaultTypeAdapter, get(source))
	})}
}

func oidcOf(i *access.Identity) ref.Val {
	if i.OIDC == nil {
		return types.NullValue
	}
	return newObject(oidcWords, i.OIDC)
}

// tagsOf is looked up when a rule first reads it.
func tagsOf(q *Question) ref.Val {
	tags := q.Request.Tags
	if q.Tags != nil {
		var err error
		if tags, err = q.Tags(); err != nil {
			return types.WrapErr(err)
		}
	}
	texts := make([]string, len(tags))
	for i, t := range tags {
		texts[i] = t.String()
	}
	return types.NewStringList(types.DefaultTypeAdapter, texts)
}

func pageSize(q *Question) ref.Val {
	if !q.Request.HasN {
		return types.NullValue
	}
	return types.Int(q.Request.N)
}
