// weather.proto for Connect, as `protoc-gen-es` makes it.
import { fileDesc, serviceDesc } from '@bufbuild/protobuf/codegenv2'

const file = fileDesc(
  'Cg13ZWF0aGVyLnByb3RvEgd3ZWF0aGVyIh8KD0ZvcmVjYXN0UmVxdWVzdBIMCgRjaXR5GAEgASgJIjsKEEZvcmVjYXN0UmVzcG9uc2US' +
    'DAoEY2l0eRgBIAEoCRILCgNza3kYAiABKAkSDAoEbGVmdBgDIAEoDTJKCgdXZWF0aGVyEj8KCEZvcmVjYXN0Ehgud2VhdGhlci5Gb3Jl' +
    'Y2FzdFJlcXVlc3QaGS53ZWF0aGVyLkZvcmVjYXN0UmVzcG9uc2ViBnByb3RvMw',
)

export const Weather = serviceDesc(file, 0)
