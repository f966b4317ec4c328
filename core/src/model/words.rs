//! Makes the closed lists of words: one table gives the name, the parser, `ALL`, `Display` and serde.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $path:literal { $($(#[$item:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$item])* $variant,)*
        }

        impl $name {
            /// Every word, in the order of the table.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The word on the wire and in the database.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The value with this name, compared byte by byte.
            ///
            /// # Errors
            #[doc = concat!("`VALIDATION_ERROR` at `", $path, "`, rule `one_of`, for any other text.")]
            pub fn parse(text: &str) -> $crate::error::Result<Self> {
                Self::check(text).map_err(|rule| $crate::error::Error::fault($path, rule))
            }

            pub(crate) fn check(text: &str) -> Result<Self, $crate::error::Rule> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err($crate::error::Rule::OneOf),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::error::Error;

            fn from_str(text: &str) -> $crate::error::Result<Self> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // The text itself stays out of the message: it may have been put in the wrong place.
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::check(&text)
                    .map_err(|_| serde::de::Error::custom(concat!("not one of the words of ", $path)))
            }
        }
    };
}

pub(crate) use words;
