# Each header begins with a plain comment: make it the file's documentation, so that the functions in it
# are documented too.
1s|^/[*]$|/** @file|
# <this> in a comment is text and no HTML tag.
/^ *#/!{
  s|/[*][*]<|\x01|g
  s|<|\&lt;|g
  s|\x01|/**<|g
}
