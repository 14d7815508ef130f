use proc_macro::TokenStream;
use quote::quote;

#[proc_macro_derive(Hello)]
pub fn hello(item: TokenStream) -> TokenStream {
    let name = syn::parse_macro_input!(item as syn::DeriveInput).ident;
    let text = name.to_string();
    quote! { impl #name { pub fn hello() -> &'static str { #text } } }.into()
}
