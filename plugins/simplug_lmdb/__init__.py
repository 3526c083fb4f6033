"""The store on disk by LMDB."""
